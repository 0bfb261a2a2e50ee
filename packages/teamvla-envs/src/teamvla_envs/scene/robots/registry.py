"""Registry of robot arms: those of TeamVLA, registered ones, and those of installed packages.

Another distribution offers a robot through an entry point of the group ``teamvla.robots``, which is imported when the
robot is first used::

    [project.entry-points."teamvla.robots"]
    ur5e = "my_robots.ur5e:UR5E"  # a RobotSpec of that name
"""

from teamvla_envs.entry_points import installed, load
from teamvla_envs.errors import UserError
from teamvla_envs.scene.robots.panda import PANDA
from teamvla_envs.scene.robots.spec import RobotSpec
from teamvla_envs.scene.robots.validation import check_robot
from teamvla_envs.scene.robots.xarm7 import XARM7

ROBOT_GROUP = "teamvla.robots"
ROBOTS: dict[str, RobotSpec] = {spec.name: spec for spec in (PANDA, XARM7)}


def get_robot(name: str) -> RobotSpec:
    """Look a robot up by name.

    Args:
        name: One of :func:`registered_robots`.

    Returns:
        The robot's specification.

    Raises:
        ValueError: ``name`` is not registered, or its entry point does not lead to a robot of that name.
    """
    if not isinstance(name, str):
        raise UserError(f"robot is {name!r}, expected one of {list(registered_robots())}")
    if name in ROBOTS:
        return ROBOTS[name]
    if name in (offered := installed(ROBOT_GROUP)):
        return load(offered[name], RobotSpec, "robot")
    raise UserError(f"robot is {name!r}, expected one of {list(registered_robots())}")


def register_robot(spec: RobotSpec) -> None:
    """Make a robot available under its name.

    Args:
        spec: The robot.

    Raises:
        ValueError: There is a robot of that name, or the MJCF file lacks something that the specification names.
    """
    if spec.name in registered_robots():
        raise UserError(f"robot {spec.name!r} is already registered; taken are {list(registered_robots())}")
    check_robot(spec)
    ROBOTS[spec.name] = spec


def deregister_robot(name: str) -> None:
    """Remove a robot from the registry.

    Args:
        name: Name of a built-in or registered robot; an installed entry point goes with its distribution.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in ROBOTS:
        raise UserError(f"robot is {name!r}, expected one of {sorted(ROBOTS)}")
    del ROBOTS[name]


def registered_robots() -> tuple[str, ...]:
    """Names of all robots, sorted; nothing is imported to find them."""
    return tuple(sorted({*ROBOTS, *installed(ROBOT_GROUP)}))
