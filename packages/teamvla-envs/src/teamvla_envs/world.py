"""N worlds at one instant, as named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teamvla_envs.geometry import quat_from_matrix

Array = Any
# (MuJoCo model field, element name) to one value per world; a reset may change these without a recompilation.
ModelFields = Mapping[tuple[str, str], Array]


@dataclass(frozen=True)
class WorldState:
    """State of N worlds at one instant; world frame, quaternions wxyz.

    Attributes:
        joint_pos: Positions of the arm joints, shape ``(N, A, J)`` [rad].
        joint_vel: Velocities of the arm joints, shape ``(N, A, J)`` [rad/s].
        joint_target: Commanded joint positions, shape ``(N, A, J)`` [rad].
        gripper_opening: Distance between the pads, shape ``(N, A)`` [m].
        gripper_target: Commanded distance between the pads, shape ``(N, A)`` [m].
        tool_pos: Positions of the tool frames, shape ``(N, A, 3)`` [m].
        tool_rot: Orientations of the tool frames, shape ``(N, A, 3, 3)``.
        body_pos: Positions of the named free bodies, shape ``(N, B, 3)`` [m].
        body_rot: Orientations of the named free bodies, shape ``(N, B, 3, 3)``.
        body_vel: Linear [m/s] (world axes) and angular [rad/s] (body axes) velocity, shape ``(N, B, 6)``.
        contact_force: Norm of the net contact force of each watched pair, averaged over the last control step,
            shape ``(N, W)`` [N].
        contact_count: Number of contacts of each watched pair at the end of the last control step, shape ``(N, W)``.
        prop_joint_pos: Positions of the named joints of props, 0 initially, shape ``(N, P)`` [m or rad].
        prop_joint_vel: Velocities of these joints, shape ``(N, P)`` [m/s or rad/s].
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
