"""What differs from episode to episode, as one configuration with named levels.

A task draws goal, sentence, poses, sizes and masses; this module draws what is the same for every task: posture, motor
gains, friction, cameras, light, colors, and the keys of observation noise and action delay. Every level consumes the
same uniform numbers, so that a seed gives the same goal and sentence at every level. Cameras, light and colors have
streams of their own, keyed by the episode and by their names: adding a camera changes no other draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from teamvla_envs.arguments import did_you_mean
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown


@dataclass(frozen=True)
class Randomization:
    """How far things vary around their nominal values; every number is 0 for "not at all".

    Attributes:
        poses: Share of a task's ranges of positions and yaws; 1 is the range on the task's page.
        sizes: Share of a task's ranges of sizes.
        masses: Share of a task's ranges of masses.
        posture: Half-range of the arms' joints around home [rad].
        friction: Relative half-range of all sliding friction.
        gains: Relative half-range of each arm joint's motor gain.
        camera_shift: Half-range of each camera's position along each axis [m]; a fifth of it for a wrist camera, which
            would otherwise end up inside the hand.
        camera_turn: Half-range of each camera's rotation about each axis [rad].
        camera_fovy: Half-range of each camera's vertical field of view [deg].
        light: Relative half-range of brightness, and of the tilt of the light's direction [rad].
        colors: Half-range of each color channel of props, of 1.
        noise: Standard deviation of what is added to every number of proprioception and privileged state, goals and
            indicators excepted [rad, m, rad/s, m/s].
        delay: Most control steps by which actions come late; the delay of an episode is constant.
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

    def __post_init__(self) -> None:
        """Refuse values that no scene can have."""
        for field in fields(self):
            value, most = getattr(self, field.name), _MOST[field.name]
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            if not number or not 0 <= value <= most or (field.name == "delay" and value != int(value)):
                kind = "a whole number" if field.name == "delay" else "a number"
                raise UserError(f"randomization: {field.name} is {shown(value)}, expected {kind} from 0 to {most:g}")


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


def get_randomization(level: "str | Randomization | Mapping[str, Any]") -> Randomization:
    """The configuration of a level, or one that is given itself or as a mapping of its attributes.

    Raises:
        ValueError: If there is no such level or attribute; the message lists those there are.
    """
    if isinstance(level, Randomization):
        return level
    if isinstance(level, Mapping):
        known = [field.name for field in fields(Randomization)]
        for name in level:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UserError(f"randomization: unknown {name!r}{hint}, allowed are {', '.join(known)}")
        return replace(Randomization(), **level)
    if not isinstance(level, str) or level not in LEVELS:
        names = ", ".join(repr(name) for name in LEVELS)
        raise UserError(f"randomization: got {shown(level)}, allowed are {names}, or a Randomization")
    return LEVELS[level]
