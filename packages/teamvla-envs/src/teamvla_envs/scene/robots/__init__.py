"""Registry of the robot arms that a team can consist of."""

from teamvla_envs.scene.robots.panda import PANDA
from teamvla_envs.scene.robots.registry import (
    ROBOTS,
    deregister_robot,
    get_robot,
    register_robot,
    registered_robots,
)
from teamvla_envs.scene.robots.spec import RobotSpec
from teamvla_envs.scene.robots.xarm7 import XARM7

__all__ = [
    "PANDA",
    "ROBOTS",
    "XARM7",
    "RobotSpec",
    "deregister_robot",
    "get_robot",
    "register_robot",
    "registered_robots",
]
