"""Measurement of episodes while they run: the quantities of every step are stored in preallocated arrays.

Every quantity is a function of a single world, so a record does not depend on the other worlds.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.rollout import Step

from teamvla_eval.metrics.table import all_metrics
from teamvla_eval.metrics.trace import Actuators, EpisodeTrace

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.scene.compose import Scene


def actuators_of(scene: "Scene") -> Actuators:
    """Read the actuators of a scene's arms from its compiled model."""
    from teamvla_envs.sim.compile import compile_scene

    model = compile_scene(scene)
    by_joint = {int(model.actuator_trnid[i, 0]): i for i in range(model.nu) if int(model.actuator_trntype[i]) == 0}
    rows = np.array(
        [
            [by_joint[model.joint(f"arm_{k}/{joint}").id] for joint in robot.joints]
            for k, robot in enumerate(scene.robots)
        ]
    )
    return Actuators(
        stiffness=model.actuator_gainprm[rows, 0].copy(),
        damping=-model.actuator_biasprm[rows, 2],
        limit=np.where(model.actuator_forcelimited[rows], model.actuator_forcerange[rows, 1], np.inf),
    )


class Meter:
    """Observer of a rollout that measures its episodes.

    Args:
        env: The environment.
    """

    def __init__(self, env: "TeamVectorEnv"):
        task = env.task
        robots: Any = env.env_kwargs["robot"]
        scene = task.scene(tuple(robots))
        self._dt, self._phases = env.control_dt, task.phases
        self._actuators = actuators_of(scene)
        pairs = task.contact_pairs()
        arms, bodies = range(env.num_arms), task.bodies
        self._collisions = np.array([i for i, pair in enumerate(pairs) if pair.kind == "collision"], int)
        self._pair_arms = np.array([[pair.arm == arm for arm in arms] for pair in pairs], bool)
        self._pair_bodies = np.array([[pair.body == b for b in bodies] for pair in pairs], bool)
        self._steps = np.zeros(env.num_envs, np.int64)
        self._kept: dict[str, np.ndarray] = {}

    def begin(self, env: "TeamVectorEnv", worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        """Start measuring new episodes in ``worlds``, shape ``(N,)`` bool."""
        self._steps[worlds] = 0

    def capture(self, env: "TeamVectorEnv", step: Step) -> None:
        """Store the quantities of a step that metrics depend on."""
        world, signals = env.world, env.signals
        now = {
            "phase": np.asarray(env.task.phase(signals)),
            "cooperative": np.asarray(env.task.is_cooperative(signals)),
            "roles": np.asarray(env.task.roles(signals)),
            "contact_force": np.asarray(world.contact_force),
            "body_height": np.asarray(world.body_pos[..., 2]),
            "joint_pos": np.asarray(world.joint_pos),
            "joint_vel": np.asarray(world.joint_vel),
            "joint_target": np.asarray(world.joint_target),
            "tool_pos": np.asarray(world.tool_pos),
            "actions": np.asarray(step.actions).reshape(env.num_envs, env.num_arms, -1).clip(-1.0, 1.0),
        }
        if not self._kept:
            shape = (env.num_envs, env.max_episode_steps)
            self._kept = {key: np.empty((*shape, *value.shape[1:]), value.dtype) for key, value in now.items()}
        rows = np.flatnonzero(step.worlds)
        steps = self._steps[rows]
        for key, value in now.items():
            self._kept[key][rows, steps] = value[rows]
        self._steps[rows] += 1

    def measure(self, world: int) -> dict[str, Any]:
        """Value of every metric of the episode in a world, up to the last captured step."""
        trace = self.trace(world)
        values = ((metric.name, metric.compute(trace)) for metric in all_metrics())
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in values}

    def trace(self, world: int) -> EpisodeTrace:
        """Trace of the episode in a world, up to the last captured step."""
        return EpisodeTrace(
            dt=self._dt,
            phases=self._phases,
            actuators=self._actuators,
            collisions=self._collisions,
            pair_arms=self._pair_arms,
            pair_bodies=self._pair_bodies,
            **{key: values[world, : self._steps[world]] for key, values in self._kept.items()},
        )
