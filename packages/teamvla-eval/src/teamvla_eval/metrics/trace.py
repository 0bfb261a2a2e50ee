"""Trace of an episode: the quantities of every control step that metrics are computed from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from teamvla_eval.metrics.episode_metrics import position_actuator_torque


@dataclass(frozen=True)
class Actuators:
    """Nominal parameters of the arms' position actuators, each of shape ``(A, J)``.

    Attributes:
        stiffness: [N·m/rad].
        damping: [N·m·s/rad].
        limit: Largest torque [N·m].
    """

    stiffness: np.ndarray
    damping: np.ndarray
    limit: np.ndarray


@dataclass(frozen=True)
class EpisodeTrace:
    """Arrays over the T control steps of an episode with A arms of J joints, W contact pairs and B free bodies.

    Attributes:
        dt: Length of a control step [s].
        phases: Names of the task's phases, in order.
        phase: Index of the phase, shape ``(T,)``.
        cooperative: Whether the arms depend on one another, shape ``(T,)`` bool.
        roles: Whether each arm satisfies the constraints of its role, shape ``(T, A)`` bool.
        contact_force: Force of each contact pair, averaged over the step, shape ``(T, W)`` [N].
        body_height: Height of each body's center, shape ``(T, B)`` [m].
        tool_pos: Tool positions in the world frame, shape ``(T, A, 3)`` [m].
        joint_pos: Shape ``(T, A, J)`` [rad].
        joint_vel: Shape ``(T, A, J)`` [rad/s].
        joint_target: Commanded joint positions, shape ``(T, A, J)`` [rad].
        actions: Actions in [-1, 1], shape ``(T, A, D)``.
        actuators: Parameters of the arms' actuators.
        collisions: Indices of the contact pairs that should not touch, shape ``(C,)``.
        pair_arms: Arm whose hand belongs to each contact pair, shape ``(W, A)`` bool.
        pair_bodies: Body that a hand touches in each contact pair, shape ``(W, B)`` bool.
    """

    dt: float
    phases: tuple[str, ...]
    phase: np.ndarray
    cooperative: np.ndarray
    roles: np.ndarray
    contact_force: np.ndarray
    body_height: np.ndarray
    tool_pos: np.ndarray
    joint_pos: np.ndarray
    joint_vel: np.ndarray
    joint_target: np.ndarray
    actions: np.ndarray
    actuators: Actuators
    collisions: np.ndarray
    pair_arms: np.ndarray
    pair_bodies: np.ndarray

    @property
    def touching(self) -> np.ndarray:
        """Whether the hand of each arm touches an object, shape ``(T, A)`` bool."""
        return _any_pair(self.contact_force > 0, self.pair_arms)

    @property
    def touched(self) -> np.ndarray:
        """Whether a hand touches each body, shape ``(T, B)`` bool."""
        return _any_pair(self.contact_force > 0, self.pair_bodies)

    @cached_property
    def torque(self) -> np.ndarray:
        """Torques of the actuators, shape ``(T, A, J)`` [N·m]."""
        return position_actuator_torque(
            self.joint_target, self.joint_pos, self.joint_vel, *vars(self.actuators).values()
        )


def _any_pair(contact: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Whether any pair ``(T, W)`` that belongs to a column of ``(W, k)`` is in contact, shape ``(T, k)`` bool."""
    return (contact[..., None] & belongs).any(axis=1)
