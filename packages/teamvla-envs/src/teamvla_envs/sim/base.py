"""What every simulator promises: the world as arrays, advanced, set and read for N worlds at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from teamvla_envs.geometry import quat_from_matrix

Array = Any
# (MuJoCo model field, element name) -> one value a world: what a reset may change without a recompile.
ModelFields = Mapping[tuple[str, str], Array]


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
    """N worlds of one scene."""

    num_worlds: int
    body_names: tuple[str, ...]
    joint_names: tuple[str, ...]

    def reset(self, worlds: Array, joint_pos: Array, body_pose: Mapping[str, Array], fields: ModelFields) -> None:
        """Put some worlds at rest into a new configuration."""
        ...

    def advance(self, joint_target: Array, gripper_target: Array, active: Array | None) -> None:
        """Advance by one control step towards the targets."""
        ...

    def world(self) -> WorldState:
        """The present state of all worlds."""
        ...
