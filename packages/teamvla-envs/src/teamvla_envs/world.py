"""N worlds at one instant, as named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teamvla_envs.geometry import quat_from_matrix

Array = Any
# (MuJoCo model field, element name) -> one value per world: what a reset may change without a recompile.
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
    def body_quat(self) -> Array:
        """Orientations of the named free bodies, shape ``(N, B, 4)``."""
        return quat_from_matrix(self.body_rot)
