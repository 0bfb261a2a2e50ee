"""The robot arms that a team can be built from, by name: those of TeamVLA, and those that others bring.

Another distribution brings a robot as an entry point of the group ``teamvla.robots``; it is imported when its name is
asked for and not before::

    [project.entry-points."teamvla.robots"]
    ur5e = "my_robots.ur5e:UR5E"  # a RobotSpec of that name
"""

import importlib.metadata
from importlib.metadata import EntryPoint

from teamvla_envs.errors import UserError
from teamvla_envs.scene.robots.panda import PANDA
from teamvla_envs.scene.robots.spec import RobotSpec
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
    installed = _installed_robots()
    if name in installed:
        return _load(installed[name])
    raise UserError(f"robot is {name!r}, expected one of {list(registered_robots())}")


def register_robot(spec: RobotSpec) -> None:
    """Make a robot available under its name.

    Args:
        spec: The robot.

    Raises:
        ValueError: There is a robot of that name.
    """
    if spec.name in registered_robots():
        raise UserError(f"robot {spec.name!r} is already registered; taken are {list(registered_robots())}")
    ROBOTS[spec.name] = spec


def deregister_robot(name: str) -> None:
    """Take back what :func:`register_robot` did.

    Args:
        name: Of a robot that is built in or was registered; an installed entry point goes with its distribution.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in ROBOTS:
        raise UserError(f"robot is {name!r}, expected one of {sorted(ROBOTS)}")
    del ROBOTS[name]


def registered_robots() -> tuple[str, ...]:
    """Names of all robots, sorted; nothing is imported to find them."""
    return tuple(sorted({*ROBOTS, *_installed_robots()}))


def _installed_robots() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=ROBOT_GROUP)}


def _load(entry: EntryPoint) -> RobotSpec:
    where = f"robot {entry.name!r}: entry point {entry.value!r} of group {ROBOT_GROUP!r}"
    try:
        spec = entry.load()
    except Exception as error:
        raise UserError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(spec, RobotSpec):
        raise UserError(f"{where} is a {type(spec).__name__}, expected a RobotSpec")
    if spec.name != entry.name:
        raise UserError(f"{where} is a robot named {spec.name!r}, expected {entry.name!r}")
    return spec
