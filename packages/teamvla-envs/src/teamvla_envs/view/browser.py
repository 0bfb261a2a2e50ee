"""Playback of a clip in the browser: Newton's Viser viewer with a time slider, play and speed."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from teamvla_envs.errors import UserError
from teamvla_envs.view.clips import Clip
from teamvla_envs.view.stage import Stage

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

CAMERA = (0.3, -1.75, 1.1)  # [m]
CAMERA_PITCH, CAMERA_YAW = -28.0, 90.0  # [deg]
_END_PAUSE = 1.0  # [s] before it starts again


class Browser:
    """Serves clips until it is stopped.

    Args:
        env: The environment that the clips are from.
        viewer: A ``newton.viewer.ViewerViser``.
        load: Makes the clip of a choice.
        choices: Names to choose from, or None for any seed.
        first: First clip: a name or a seed.
    """

    def __init__(
        self,
        env: "TeamVectorEnv",
        viewer: Any,
        load: Callable[[Any], Clip],
        choices: tuple[str, ...] | None,
        first: Any,
    ):
        self._stage, self._viewer, self._load = Stage(env, viewer), viewer, load
        self._wanted: Any = first
        self._step, self._jump = 0.0, -1
        self._refusal = ""
        gui = viewer.server.gui
        gui.configure_theme(show_share_button=False)  # it would publish the scene through a foreign server
        with gui.add_folder("Episode", order=-1.0):
            self._words = gui.add_markdown("")
            self._slider = gui.add_slider("step", min=0, max=1, step=1, initial_value=0)
            self._loop = gui.add_checkbox("loop", initial_value=True)
            self._speed = gui.add_slider("speed", min=0.1, max=4.0, step=0.1, initial_value=1.0)
            chooser = (
                gui.add_number("seed", initial_value=first, min=0, step=1)
                if choices is None
                else gui.add_dropdown("demonstration", options=choices, initial_value=first)
            )
        self._slider.on_update(self._on_slider)
        chooser.on_update(self._on_choice)
        viewer.set_reset_callback(self._rewind)
        viewer.set_camera(CAMERA, CAMERA_PITCH, CAMERA_YAW)

    def run(self) -> None:
        """Play until the viewer is closed."""
        clip, began = self._next_clip(None), time.monotonic()
        while self._viewer.is_running():
            tick = time.monotonic()
            if self._wanted is not None:
                clip = self._next_clip(clip)
            self._advance(clip)
            step = min(int(self._step), len(clip) - 1)
            self._stage.go_to(clip, step, tick - began)
            self._slider.value = step
            self._words.content = self._refusal + _words(clip, step)
            time.sleep(max(tick + clip.dt - time.monotonic(), 0.001))

    def _next_clip(self, shown: Clip | None) -> Clip:
        """The chosen clip; if it cannot be shown, the reason appears above the previous one."""
        wanted, self._wanted = self._wanted, None
        try:
            clip, self._refusal = self._load(wanted), ""
        except UserError as error:
            if shown is None:
                raise
            self._refusal = f"**{error}**\n\n"
            return shown
        self._stage.show(clip)
        self._slider.max = len(clip) - 1
        self._rewind()
        return clip

    def _advance(self, clip: Clip) -> None:
        last = len(clip) - 1
        playing = self._viewer.should_step()
        if self._jump >= 0:
            self._step, self._jump = float(min(self._jump, last)), -1
        elif playing:
            self._step += self._speed.value
            if self._step > last + (_END_PAUSE / clip.dt) * self._speed.value and self._loop.value:
                self._step = 0.0

    def _rewind(self) -> None:
        self._step = 0.0

    def _on_slider(self, event: Any) -> None:
        if event.client_id is not None:  # moved by the user, not by playback
            self._jump = int(event.target.value)

    def _on_choice(self, event: Any) -> None:
        if event.client_id is not None:
            self._wanted = event.target.value


def _words(clip: Clip, step: int) -> str:
    end = "success" if clip.success else "no success"
    return (
        f"**{clip.instruction}**\n\n{clip.title} · goal `{clip.goal}` · {end}\n\n"
        f"{step * clip.dt:.2f} s · phase `{clip.phases[step]}`"
    )
