"""Measures episodes while they run: what the metrics need of every step is kept in arrays, in one write a step.

Everything is a function of single worlds, so a record does not depend on which worlds ran beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.rollout import Step

from teamvla_eval.metrics.episode_metrics import (
    action_change,
    collision_cost,
    coordination_score,
    dropped_objects,
    energy,
    idle_time,
    position_actuator_torque,
)

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.scene.compose import Scene


@dataclass(frozen=True)
class Actuators:
    """Nominal parameters of the arms' position actuators, each ``(A, J)``.

    Attributes:
        stiffness: [N·m/rad].
        damping: [N·m·s/rad].
        limit: Largest torque [N·m].
    """

    stiffness: np.ndarray
    damping: np.ndarray
    limit: np.ndarray


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
    """Measures the episodes of an environment.

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
        hands = [f"arm_{k}/hand" for k in range(env.num_arms)]
        self._collisions = np.array([i for i, (first, _) in enumerate(pairs) if first not in hands], int)
        held = [[first == hand for hand in hands] for first, _ in pairs]
        bodies = [[first in hands and second == body for body in task.bodies] for first, second in pairs]
        self._of_hand, self._of_body = np.array(held, bool), np.array(bodies, bool)
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
            "joint": np.asarray(env.task.joint_work(signals)),
            "roles": np.asarray(env.task.roles(signals)),
            "force": np.asarray(world.contact_force),
            "height": np.asarray(world.body_pos[..., 2]),
            "joint_pos": np.asarray(world.joint_pos),
            "joint_vel": np.asarray(world.joint_vel),
            "joint_target": np.asarray(world.joint_target),
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
        """Metrics of the episode that ended in a world, as arguments of :class:`EpisodeRecord`."""
        t = {key: values[world, : self._steps[world]] for key, values in self._kept.items()}
        contact = t["force"] > 0
        torque = position_actuator_torque(
            t["joint_target"], t["joint_pos"], t["joint_vel"], *vars(self._actuators).values()
        )
        return {
            "furthest_phase": self._phases[int(t["phase"].max())],
            "coordination_score": coordination_score(t["roles"], t["joint"]),
            "collision_cost": collision_cost(t["force"][:, self._collisions], self._dt),
            "dropped_objects": dropped_objects(_any_pair(contact, self._of_body), t["height"]),
            "idle_time_s": tuple(idle_time(t["joint_vel"], _any_pair(contact, self._of_hand), self._dt).tolist()),
            "action_change": action_change(t["actions"]),
            "energy": energy(torque, t["joint_vel"], self._dt),
        }


def _any_pair(contact: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Whether any pair ``(T, W)`` that belongs to a column of ``(W, k)`` is in contact, shape ``(T, k)`` bool."""
    return (contact[..., None] & belongs).any(axis=1)
