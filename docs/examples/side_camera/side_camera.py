"""A camera at the side of the table, behind the second arm."""

from teamvla_envs import CameraSpec
from teamvla_envs.scene.cameras import camera_quat

SIDE = CameraSpec("side", (1.1, 0.9, 0.9), camera_quat((-0.633, 0.774, 0), (-0.38, -0.31, 0.87)), fovy=45.0)
