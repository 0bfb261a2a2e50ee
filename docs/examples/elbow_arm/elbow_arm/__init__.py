"""An arm with six joints in the classic arrangement (waist, shoulder, elbow, spherical wrist) and a gripper."""

from pathlib import Path

from teamvla_envs import CameraSpec, RobotSpec
from teamvla_envs.scene.robots.spec import wrist_camera_quat

ELBOW_ARM = RobotSpec(
    name="elbow_arm",
    mjcf=Path(__file__).with_name("elbow_arm.xml"),
    joints=("waist", "shoulder", "elbow", "forearm_roll", "wrist_bend", "wrist_roll"),
    finger_joints=("jaw_left_slide", "jaw_right_slide"),
    gripper_tendon="grip",
    base_body="pedestal",
    upper_arm_body="upper_arm",
    hand_body="gripper",
    tool_site="pinch",
    home=(0.0, -0.4, 2.1, 0.0, 1.44, 0.0),
    gripper_range=(0.0, 0.08),
    cameras=(CameraSpec("wrist", (0.08, 0.0, 0.03), wrist_camera_quat(18.0), 75.0, body="gripper", by_default=True),),
    mounted_bodies=("pedestal", "turret"),
    tint_material="paint",
    base_radius=0.62,
)
