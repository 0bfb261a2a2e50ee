"""A scene in Newton, put into the states of a clip one after the other, for any of Newton's viewers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from teamvla_envs.scene.visual_meshes import load_skins
from teamvla_envs.sim.cameras import Renderer
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.view.clips import Clip

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


class Stage:
    """The scene of an environment as cameras see it, in a Newton viewer.

    Args:
        env: The environment.
        viewer: A ``newton.viewer`` object.
    """

    def __init__(self, env: "TeamVectorEnv", viewer: Any):
        made_with = cast(Mapping[str, Any], env.env_kwargs)
        scene = env.task.scene(tuple(made_with["robot"]))
        model = compile_scene(scene)
        bodies = {model.body(i).name: i for i in range(model.nbody)}
        self._renderer = Renderer(scene, bodies, load_skins(scene, made_with["looks"]))
        self._viewer = viewer

    def show(self, clip: Clip) -> None:
        """Begin another clip, with the sizes and colors of its episode."""
        self._renderer.pose(clip.positions[0], clip.quaternions[0], clip.fields)
        self._viewer.set_model(self._renderer.model)

    def go_to(self, clip: Clip, step: int, time: float) -> None:
        """Show one moment.

        Args:
            clip: The clip that was begun last.
            step: Index of its control step.
            time: The viewer's time [s].
        """
        self._renderer.pose(clip.positions[step], clip.quaternions[step], {})
        self._viewer.begin_frame(time)
        self._viewer.log_state(self._renderer.state)
        self._viewer.end_frame()
