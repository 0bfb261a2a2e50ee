"""The simulator protocol: N worlds of one scene as arrays, advanced, set and read together."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import Scene
from teamvla_envs.world import Array, ModelFields, WorldState

FASTEST = 1e15  # [m/s] largest velocity that a push gives; its square is finite in float32, too
LARGEST = 1e10  # a world with a larger number in its physics state is unstable, as MuJoCo calls it


class Simulator(Protocol):
    """N worlds of one scene.

    Arrays are of one kind, numpy or torch; the values of a reset are numpy arrays.

    Attributes:
        scene: Scene of every world.
        template: The nominal ``mujoco.MjModel``.
        num_worlds: Number of worlds N.
        chains: Kinematics of the team.
        addresses: Layout of the state and control vectors; a ``sim.state_layout.Addresses``.
        body_names: Free bodies that the task reads.
        joint_names: Joints of props that the task reads.
        state: MuJoCo's full physics state (time, qpos, qvel, act), shape ``(N, S)``.
        joint_target: Commanded joint positions, shape ``(N, A, J)`` [rad].
        gripper_target: Commanded opening, shape ``(N, A)`` [m].
        contacts: Count and mean force [N] of each watched pair, shape ``(N, W, 2)``.
    """

    scene: Scene
    template: Any
    num_worlds: int
    chains: Chains
    addresses: Any
    body_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    state: Array
    joint_target: Array
    gripper_target: Array
    contacts: Array

    def reset(
        self, worlds: np.ndarray, joint_pos: np.ndarray, body_pose: Mapping[str, np.ndarray], fields: ModelFields
    ) -> None:
        """Put the worlds of indices ``(n,)`` at rest into a new configuration; see :meth:`HostSimulator.reset`."""
        ...

    def apply_fields(self, worlds: np.ndarray, fields: ModelFields) -> None:
        """Write model fields of the worlds with these indices ``(n,)``; the first axis of each field is n."""
        ...

    def advance(self, joint_target: Array, gripper_target: Array, active: Array | None) -> Array | None:
        """Advance by one control step towards the targets.

        Args:
            joint_target: Commanded joint positions, shape ``(N, A, J)`` [rad].
            gripper_target: Commanded openings, shape ``(N, A)`` [m].
            active: Mask of the worlds to advance, shape ``(N,)`` bool; ``None`` for all.

        Returns:
            Mask of the worlds that became unstable and are as they were before, shape ``(N,)`` bool; ``None`` if there
            are none.
        """
        ...

    def world(self) -> WorldState:
        """Present state of all worlds."""
        ...

    def body_transforms(self, worlds: np.ndarray) -> tuple[Array, Array]:
        """Positions ``(n, bodies, 3)`` [m] and quaternions wxyz ``(n, bodies, 4)`` of all bodies of n worlds."""
        ...

    def push(self, world: int, body: str, impulse: np.ndarray) -> None:
        """Change the velocity of a free body by an impulse ``(3,)`` [N·s] at its center of mass."""
        ...

    def to_device(self, values: np.ndarray) -> Array:
        """Convert a host array of any shape to an array of the simulator's kind."""
        ...

    def to_host(self, array: Array) -> np.ndarray:
        """Convert an array of the simulator's kind, of any shape, to a host array."""
        ...

    def close(self) -> None:
        """Free threads and memory."""
        ...
