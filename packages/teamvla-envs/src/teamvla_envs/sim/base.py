"""What every simulator promises: the world as arrays, advanced, set and read for N worlds at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from teamvla_envs.control.kinematics import Chains
from teamvla_envs.geometry import quat_from_matrix
from teamvla_envs.scene.compose import Scene

Array = Any
# (MuJoCo model field, element name) -> one value a world: what a reset may change without a recompile.
ModelFields = Mapping[tuple[str, str], Array]
FASTEST = 1e15  # [m/s] more than this a push does not give; its square is a number in float32, too
LARGEST = 1e10  # a world with a larger number in its physics state is unstable, as MuJoCo calls it


@dataclass(frozen=True)
class WorldState:
    """N worlds at one instant. Meters, radians, seconds, newtons; world frame; quaternions wxyz.

    Attributes:
        joint_pos: Shape ``(N, A, J)``.
        joint_vel: Shape ``(N, A, J)``.
        joint_target: Commanded joint positions, shape ``(N, A, J)``.
        gripper_opening: Distance between the pads, shape ``(N, A)``.
        gripper_target: Commanded distance between the pads, shape ``(N, A)``.
        tool_pos: Shape ``(N, A, 3)``.
        tool_rot: Shape ``(N, A, 3, 3)``.
        body_pos: Named free bodies, shape ``(N, B, 3)``.
        body_rot: Shape ``(N, B, 3, 3)``.
        body_vel: Linear (world axes) and angular (body axes) velocity, shape ``(N, B, 6)``.
        contact_force: Norm of the net contact force of each watched pair, averaged over the last control step,
            shape ``(N, W)``.
        contact_count: Number of contacts of each watched pair at the end of the last control step, shape ``(N, W)``.
        prop_joint_pos: Named joints of props, 0 at a start, shape ``(N, P)``.
        prop_joint_vel: Shape ``(N, P)``.
    """

    joint_pos: Array
    joint_vel: Array
    joint_target: Array
    gripper_opening: Array
    gripper_target: Array
    tool_pos: Array
    tool_rot: Array
    body_pos: Array
    body_rot: Array
    body_vel: Array
    contact_force: Array
    contact_count: Array
    prop_joint_pos: Array = None
    prop_joint_vel: Array = None

    @property
    def tool_quat(self) -> Array:
        """Tool orientations, shape ``(N, A, 4)``."""
        return quat_from_matrix(self.tool_rot)

    @property
    def body_quat(self) -> Array:
        """Orientations of the named free bodies, shape ``(N, B, 4)``."""
        return quat_from_matrix(self.body_rot)


class Simulator(Protocol):
    """N worlds of one scene.

    Its arrays are of one kind, numpy or torch; what a reset draws comes from the host as numpy.

    Attributes:
        scene: What stands in every world.
        template: The nominal ``mujoco.MjModel``.
        num_worlds: N.
        chains: Kinematics of the team.
        addresses: Where the numbers stand in the state and control vectors; a ``sim.addresses.Addresses``.
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
        """Put some worlds at rest into a new configuration."""
        ...

    def apply_fields(self, worlds: np.ndarray, fields: ModelFields) -> None:
        """Write model fields of some worlds."""
        ...

    def advance(self, joint_target: Array, gripper_target: Array, active: Array | None) -> Array | None:
        """Advance by one control step towards the targets.

        Returns:
            Which worlds became unstable and are as they were before, shape ``(N,)`` bool; ``None`` if none did.
        """
        ...

    def world(self) -> WorldState:
        """The present state of all worlds."""
        ...

    def body_transforms(self, worlds: np.ndarray) -> tuple[Array, Array]:
        """Positions ``(n, bodies, 3)`` and quaternions wxyz ``(n, bodies, 4)`` of all bodies of some worlds."""
        ...

    def push(self, world: int, body: str, impulse: np.ndarray) -> None:
        """Change the velocity of a free body by an impulse (3,) [N·s] at its center of mass."""
        ...

    def send(self, values: np.ndarray) -> Array:
        """Host numbers as an array of the kind that :meth:`world` gives."""
        ...

    def fetch(self, array: Array) -> np.ndarray:
        """The numbers of such an array on the host."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...
