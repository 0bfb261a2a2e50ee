"""The robot arms that a team can be built from, by name."""

from teamvla_envs.scene.robots.panda import PANDA
from teamvla_envs.scene.robots.spec import RobotSpec

__all__ = ["PANDA", "ROBOTS", "RobotSpec", "get_robot"]

ROBOTS: dict[str, RobotSpec] = {spec.name: spec for spec in (PANDA,)}


def get_robot(name: str) -> RobotSpec:
    """Look a robot up by name.

    Args:
        name: A key of ``ROBOTS``.

    Returns:
        The robot's specification.

    Raises:
        ValueError: ``name`` is not registered.
    """
    if name not in ROBOTS:
        raise ValueError(f"robot is {name!r}, expected one of {sorted(ROBOTS)}")
    return ROBOTS[name]
