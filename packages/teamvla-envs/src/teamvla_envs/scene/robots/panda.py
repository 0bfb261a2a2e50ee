"""The Franka Emika Panda with the Franka Hand: seven joints and a parallel gripper.

Kinematics and limits are those of the Franka Control Interface documentation, "Robot and interface
specifications" (https://frankaemika.github.io/docs/control_parameters.html, Limits for Panda and
Denavit-Hartenberg parameters). Masses and inertias, and where each comes from: see ``panda.xml``.
"""

from pathlib import Path

from teamvla_envs.scene.cameras import CameraSpec
from teamvla_envs.scene.robots.spec import RobotSpec, VisualModel, wrist_camera_quat

WRIST_CAMERA_TILT = 18.0
"""Pitch of the wrist camera from the hand's approach axis towards the fingers [deg].

Chosen by looking at 64, 84 and 128 px images: both pads, the colored finger mounts and the held object fill
the lower third at every opening, and what lies ahead of the hand fills the rest.
"""


PANDA = RobotSpec(
    name="panda",
    mjcf=Path(__file__).with_name("panda.xml"),
    joints=("joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "joint7"),
    finger_joints=("finger_joint1", "finger_joint2"),
    gripper_tendon="split",
    base_body="base",
    upper_arm_body="link2",
    hand_body="hand",
    tool_site="tool",
    home=(0.0, -0.3, 0.0, -2.2, 0.0, 2.0, 0.785),
    gripper_range=(0.0, 0.08),
    cameras=(
        CameraSpec(
            "wrist", (0.075, 0.0, 0.025), wrist_camera_quat(WRIST_CAMERA_TILT), 75.0, body="hand", by_default=True
        ),
    ),
    mounted_bodies=("base", "link1"),
    tint_material="tint",
    visual_model=VisualModel("franka_emika_panda", "panda.xml", {"base": "link0"}),
)
