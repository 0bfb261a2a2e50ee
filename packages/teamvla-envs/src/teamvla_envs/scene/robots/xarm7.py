"""The UFACTORY xArm 7 with the xArm Gripper: seven joints and a parallel gripper, smaller than the Panda.

Kinematics, limits, masses and inertias are those that UFACTORY publishes (xArm user manual, modified Denavit-Hartenberg
parameters; ``xarm_description`` of xarm_ros). Which figure comes from where, and what is simplified: see ``xarm7.xml``.
"""

from pathlib import Path

from teamvla_envs.scene.cameras import CameraSpec
from teamvla_envs.scene.robots.spec import RobotSpec, wrist_camera_quat

WRIST_CAMERA_TILT = 18.0
"""Pitch of the wrist camera from the hand's approach axis towards the fingers [deg]; the view is the Panda's."""

BASE_RADIUS = 0.55
"""Distance from the center of the team [m].

From here the fingers, pointing down, reach (0, 0, 0.30), where things are handed over, and x = 0 at y = -0.28 … 0.28 up
to z = 0.35; from 0.56 on they miss the corners of the latter. Experts of two xArms solved 40 of 40 episodes of every
task at 0.55 and at 0.70; at 0.50 what lies near the base is too near (Handoff 30 of 40).
"""

XARM7 = RobotSpec(
    name="xarm7",
    mjcf=Path(__file__).with_name("xarm7.xml"),
    joints=("joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "joint7"),
    finger_joints=("finger_joint1", "finger_joint2"),
    gripper_tendon="split",
    base_body="base",
    upper_arm_body="link2",
    hand_body="hand",
    tool_site="tool",
    home=(0.0, -0.378, 0.0, 1.290, 0.0, 1.668, 0.0),
    gripper_range=(0.0, 0.084),
    cameras=(
        CameraSpec(
            "wrist", (0.075, 0.0, 0.094), wrist_camera_quat(WRIST_CAMERA_TILT), 75.0, body="hand", by_default=True
        ),
    ),
    mounted_bodies=("base", "link1"),
    tint_material="tint",
    base_radius=BASE_RADIUS,
)
