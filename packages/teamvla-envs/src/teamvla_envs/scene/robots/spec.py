"""What the scene, the controllers and the cameras need to know about one kind of arm."""

from dataclasses import dataclass
from math import cos, radians, sin, sqrt
from pathlib import Path


@dataclass(frozen=True)
class RobotSpec:
    """One robot arm: its MJCF file and the names and numbers by which the rest of TeamVLA addresses it.

    Names are those inside the MJCF file; the scene composer prefixes them (``arm_0/joint1``). Lengths in [m],
    angles in [rad], quaternions wxyz.

    Whatever the spec names, the MJCF file also has: bodies ``base``, ``link1``, ``link2`` … and ``hand`` (tasks watch
    their contacts), a tendon ``split`` that drives the fingers, a material ``tint``, colliders in geom group 3 (those
    named ``base_…`` and ``link1_…`` do not touch the table), and every component of its contact parameters.

    Attributes:
        name: Key in the robot registry.
        mjcf: The MJCF file. Visual geoms whose material is ``tint`` may be recolored.
        base_body: Root body, placed at the identity: z up, x forward.
        joints: The ``J`` arm joints, base to tip. Each has a position actuator of the same name.
        finger_joints: Slide joints of the gripper fingers, each counting its own travel from closed.
        finger_bodies: Bodies of the fingers, in the order of ``finger_joints``.
        hand_body: Body that carries the fingers, the tool site and the wrist camera.
        tool_site: Tool frame: origin between the pads, z out of the hand, y along the opening axis.
        home: Rest posture of the arm joints, shape ``(J,)`` [rad].
        gripper_range: Smallest and largest distance between the pads [m].
        joint_velocity_limits: Published limits, shape ``(J,)`` [rad/s].
        wrist_camera_pos: Camera origin in the hand frame [m].
        wrist_camera_quat: Camera orientation in the hand frame, wxyz; the camera looks along its -z, y is up.
        wrist_camera_fovy: Vertical field of view [deg].
        gripper_actuator: Actuator of the gripper; its control is the travel of one finger [m].
        pad_geoms: Colliders that touch a grasped object, in the order of ``finger_joints``.
        base_radius: Distance at which the arm stands from the center of the circle of arms [m].
    """

    name: str
    mjcf: Path
    base_body: str
    joints: tuple[str, ...]
    finger_joints: tuple[str, ...]
    finger_bodies: tuple[str, ...]
    hand_body: str
    tool_site: str
    home: tuple[float, ...]
    gripper_range: tuple[float, float]
    joint_velocity_limits: tuple[float, ...]
    wrist_camera_pos: tuple[float, float, float]
    wrist_camera_quat: tuple[float, float, float, float]
    wrist_camera_fovy: float
    gripper_actuator: str = "gripper"
    pad_geoms: tuple[str, ...] = ("left_pad", "right_pad")
    base_radius: float = 0.70


def wrist_camera_quat(tilt: float) -> tuple[float, float, float, float]:
    """Camera along the hand's z, the hand's x up, pitched by ``tilt`` [deg] towards the fingers; wxyz."""
    half = radians(tilt) / 2
    return (sin(half) / sqrt(2), cos(half) / sqrt(2), cos(half) / sqrt(2), sin(half) / sqrt(2))
