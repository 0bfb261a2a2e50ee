"""Configuration of the differences between episodes, with named levels.

Every level consumes the same uniform numbers, so that a seed gives the same goal and instruction at every level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from teamvla_envs.arguments import check_mapping, did_you_mean
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown


@dataclass(frozen=True)
class Randomization:
    """Widths of the variations around nominal values; 0 switches a variation off.

    Attributes:
        poses: Share of a task's ranges of positions and yaws; 1 is the range on the page of the task.
        sizes: Share of a task's ranges of sizes.
        masses: Share of a task's ranges of masses.
        posture: Half-range of the arms' joints around home [rad].
        friction: Relative half-range of all sliding friction.
        gains: Relative half-range of each arm joint's motor gain.
        camera_shift: Half-range of each camera's position along each axis [m]; a fifth of it for a wrist camera, which
            could otherwise end up inside the hand.
        camera_turn: Half-range of each camera's rotation about each axis [rad].
        camera_fovy: Half-range of each camera's vertical field of view [deg].
        light: Relative half-range of brightness, and of the tilt of the light's direction [rad].
        colors: Half-range of each color channel of props, of 1.
        noise: Standard deviation of the noise on every number of proprioception and privileged state, except for
            indicators such as the goal [rad, m, rad/s, m/s].
        delay: Largest delay of actions [control steps]; the delay of an episode is constant.
        ranges: Ranges ``(low, high)`` of draws of the task, by name, which replace those that the task declares and
            which neither shares nor splits change.
    """

    poses: float = 1.0
    sizes: float = 1.0
    masses: float = 1.0
    posture: float = 0.05
    friction: float = 0.1
    gains: float = 0.0
    camera_shift: float = 0.0
    camera_turn: float = 0.0
    camera_fovy: float = 0.0
    light: float = 0.0
    colors: float = 0.0
    noise: float = 0.0
    delay: int = 0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse values that no scene can have."""
        for name, most in _MOST.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            if not number or not 0 <= value <= most or (name == "delay" and value != int(value)):
                kind = "a whole number" if name == "delay" else "a number"
                raise UserError(f"randomization: {name} is {shown(value)}, expected {kind} from 0 to {most:g}")

    def to_json(self) -> dict[str, Any]:
        """The mapping that :func:`get_randomization` reads: attributes, and ranges by name of draw."""
        ranges = {name: [float(end) for end in ends] for name, ends in self.ranges.items()}
        return {name: getattr(self, name) for name in _MOST} | ranges


_MOST = {
    "poses": 1.2, "sizes": 1.2, "masses": 1.2, "posture": 0.3, "friction": 0.6, "gains": 0.6, "camera_shift": 0.2,
    "camera_turn": 0.3, "camera_fovy": 10.0, "light": 0.6, "colors": 0.2, "noise": 0.1, "delay": 3,
}  # fmt: skip

LEVELS: dict[str, Randomization] = {
    "none": Randomization(poses=0.0, sizes=0.0, masses=0.0, posture=0.0, friction=0.0),
    "default": Randomization(),
    "hard": Randomization(
        poses=1.1, sizes=1.1, masses=1.15, posture=0.1, friction=0.3, gains=0.2, camera_shift=0.02, camera_turn=0.04,
        camera_fovy=2.0, light=0.3, colors=0.05, noise=0.001, delay=1,
    ),
}  # fmt: skip


def get_randomization(level: "str | Randomization | Mapping[str, Any]", draws: Sequence[str] = ()) -> Randomization:
    """The configuration of a level, or one given as such or as a mapping of its attributes and of ranges of draws.

    Args:
        level: Name of a level, a :class:`Randomization`, or a mapping.
        draws: Names of the task's draws that have a range.

    Raises:
        UserError: If there is no such level, attribute or draw; the message lists those that exist.
    """
    if isinstance(level, Mapping):
        attributes = {name: value for name, value in level.items() if name in (*_MOST, "ranges")}
        ranges = {name: value for name, value in level.items() if name not in attributes}
        _check_names(ranges, (*_MOST, *draws))
        given = check_mapping("randomization: ranges", attributes.pop("ranges", {}), "a mapping of name to range")
        level = replace(Randomization(), **attributes, ranges={**given, **ranges})
    if isinstance(level, Randomization):
        _check_names(level.ranges, draws)
        return level
    if not isinstance(level, str) or level not in LEVELS:
        names = ", ".join(repr(name) for name in LEVELS)
        raise UserError(f"randomization: got {shown(level)}, allowed are {names}, or a Randomization")
    return LEVELS[level]


def _check_names(given: Mapping[Any, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise UserError(f"randomization: unknown {name!r}{did_you_mean(name, known)}, allowed are {allowed}")
