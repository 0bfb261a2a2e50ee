"""Loads of Lift, the crate-bar and the tray: grasp points, stands, initial poses, and equivalent orientations."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from teamvla_envs.arrays import array_namespace, stack_last
from teamvla_envs.geometry import rotation_about_z, wrap_angle
from teamvla_envs.scene.loads import CrateBar, Tray, crate_bar_inertia, tray_inertia
from teamvla_envs.scene.props import Prop, Stand
from teamvla_envs.tasks.base import Array, Arrays
from teamvla_envs.tasks.draws import Choice, Draw, Sample, Uniform
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.lift_sentences import HOLD, PLACE, TRAY_HOLD, TRAY_PLACE
from teamvla_envs.tasks.parts import Part

THICKNESS, CRATE_HEIGHT = 0.03, 0.06  # [m]
GRASP_INSET = 0.035  # [m] from the bar's end to the grasp point
REST = CRATE_HEIGHT / 2  # [m] height of the bar's center above what it lies on
STAND_Y = 0.30  # [m] the bar's stands are at (0, -STAND_Y), "front", and (0, +STAND_Y), "back"
HANDLE_INSET = 0.03  # [m] from the end of a tray's handle to the grasp point
# Number of arms to the stands of the tray: distance from the center [m], angles of front and back [half turns].
# Each is halfway between the directions of two arms, as far out as the arm across the table can reach.
TRAY_STANDS = {3: (0.225, (-2 / 3, 2 / 3)), 4: (0.28, (-1 / 4, 3 / 4))}
TRAY_STAND_SIZE = 0.04  # [m] half an edge of these stands


@dataclass(frozen=True)
class LoadStart:
    """Initial states of the load in n worlds.

    Attributes:
        pose: Position and quaternion wxyz, shape ``(n, 7)``.
        fields: Model fields that differ from world to world, first axis n.
        size: Facts that :meth:`Load.reach` and :meth:`Load.size` read, first axis n.
    """

    pose: np.ndarray
    fields: dict[tuple[str, str], np.ndarray]
    size: dict[str, np.ndarray]


class Load(ABC):
    """An object that a team of A arms carries, each arm at its own grasp point.

    The frame of a load is that of its body, turned about z to the nearest equivalent orientation.

    Attributes:
        body: Name of the body.
        rest: Height of its center above what it lies on [m].
        directions: Unit vectors from the center to the grasp points, in its frame, shape ``(A, 2)``.
        turns: Yaws of the rods at the grasp points, in its frame, shape ``(A,)`` [rad].
        stand_xy: Positions of the front and the back stand, shape ``(2, 2)`` [m].
        draws: Draws of Lift that differ from those of the bar.
        size_part: Part of the privileged observation with its size.
        inner: Smallest distance from the center at which a hand can hold the rod [m].
        give: Additional width of a held rod between upright fingers per tilt [m/rad].
        faults: Events that must not occur between lifting it off the table and success.
        placing: Instructions that name a stand.
        holding: Instructions to hold it up.
    """

    body: ClassVar[str]
    rest: ClassVar[float]
    draws: ClassVar[dict[str, Draw]] = {}
    size_part: ClassVar[Part]
    inner: ClassVar[float]
    give: ClassVar[float]
    faults: ClassVar[tuple[str, ...]]
    placing: ClassVar[Paraphrases]
    holding: ClassVar[Paraphrases]
    directions: np.ndarray
    turns: np.ndarray
    stand_xy: np.ndarray

    @abstractmethod
    def props(self) -> tuple[Prop, ...]:
        """Two stands and the load, at nominal sizes."""

    @abstractmethod
    def sample(self, d: Sample) -> LoadStart:
        """Initial states from the drawn values of Lift."""

    @abstractmethod
    def frame(self, rot: Array) -> Array:
        """The load's frame ``(N, 3, 3)`` from the body's orientation ``(N, 3, 3)``."""

    @abstractmethod
    def reach(self, facts: Arrays) -> Array:
        """Distance from the center to the grasp points, shape ``(N,)`` [m]."""

    @abstractmethod
    def size(self, facts: Arrays) -> Array:
        """The number of :attr:`size_part`, shape ``(N,)`` [m]."""

    @abstractmethod
    def level_offsets(self, frame: Array, yaw: Array, tools: Array) -> Array:
        """Tool positions relative to the center as they would be if the load were level and had no yaw.

        Args:
            frame: The load's frame, shape ``(N, 3, 3)``.
            yaw: Of the load, shape ``(N,)`` [rad].
            tools: Tool positions relative to the load's center, shape ``(N, A, 3)``.
        """

    @abstractmethod
    def to_level(self, frame: Array, tools: Array) -> Array:
        """Rise of each arm that levels a tilted load, shape ``(N, A)`` [m].

        Args:
            frame: The load's frame, shape ``(N, 3, 3)``.
            tools: Tool positions relative to the load's center, shape ``(N, A, 3)``.
        """

    @abstractmethod
    def commanded_yaw(self, command: Array, offset: Array) -> Array:
        """Yaw of the load ``(N,)`` [rad] that fits commanded tool positions and level offsets, each ``(N, A, 3)``."""


class CrateBarLoad(Load):
    """The crate-bar between two arms that face each other."""

    body = "bar"
    rest = REST
    size_part = Part("object_length", 1, "m", "length of the bar")
    inner = 0.12
    give = 0.0
    faults = ("tilted",)
    placing, holding = PLACE, HOLD

    def __init__(self) -> None:
        self.directions = np.array([[-1.0, 0.0], [1.0, 0.0]])
        self.turns = np.zeros(2)
        self.stand_xy = np.array([[0.0, -STAND_Y], [0.0, STAND_Y]])

    def props(self) -> tuple[Prop, ...]:
        """Two stands and the crate-bar."""
        return (
            Stand("stand_front", (0.0, -STAND_Y, 0.07)),
            Stand("stand_back", (0.0, STAND_Y, 0.12)),
            CrateBar(),
        )

    def sample(self, d: Sample) -> LoadStart:
        """A bar that lies near the center."""
        n, length, mass = len(d), d.length, d.mass
        _, inertia = crate_bar_inertia(length, mass)
        rod = np.stack([length / 2, np.full(n, THICKNESS / 2), np.full(n, THICKNESS / 2)], -1)
        fields = {
            ("body_mass", "bar"): mass,
            ("body_inertia", "bar"): inertia,
            ("geom_size", "bar_rod"): rod,
        }
        return LoadStart(_lying(d.x, d.y, REST, d.yaw), fields, {"length": length})

    def frame(self, rot: Array) -> Array:
        """The body's frame, turned by 180 degrees where its x axis points away from the last arm (+x)."""
        xp = array_namespace(rot)
        flip = xp.where(rot[:, 0, 0] < 0, -1.0, 1.0)[:, None]
        return stack_last(rot[:, :, 0] * flip, rot[:, :, 1] * flip, rot[:, :, 2])

    def reach(self, facts: Arrays) -> Array:
        """Half the length without the inset of the grasp points."""
        return facts["length"] / 2 - GRASP_INSET

    def size(self, facts: Arrays) -> Array:
        """The length of the bar."""
        return facts["length"]

    def level_offsets(self, frame: Array, yaw: Array, tools: Array) -> Array:
        """Offsets without yaw and slope; the roll about the bar's axis stays."""
        xp = array_namespace(tools)
        turn = xp.matrix_transpose(rotation_about_z(yaw))
        offset = (turn[:, None] @ tools[..., None])[..., 0]
        slope = frame[:, 2, 0]
        return xp.concat([offset[..., :2], (offset[..., 2] - slope[:, None] * offset[..., 0])[..., None]], axis=-1)

    def to_level(self, frame: Array, tools: Array) -> Array:
        """Both ends rise or sink to the height of the center."""
        return -tools[..., 2]

    def commanded_yaw(self, command: Array, offset: Array) -> Array:
        """Yaw of the line between the tools."""
        xp = array_namespace(command)
        span, commanded = offset[:, 1] - offset[:, 0], command[:, 1] - command[:, 0]
        return xp.atan2(commanded[:, 1], commanded[:, 0]) - xp.atan2(span[:, 1], span[:, 0])


class TrayLoad(Load):
    """The tray among three or four arms, one handle for each."""

    body = "tray"
    rest = THICKNESS / 2
    draws: ClassVar[dict[str, Draw]] = {
        "x": Uniform(-0.02, 0.02, "m", scaled_by="poses", meaning="tray, x from its nominal position"),
        "y": Uniform(-0.02, 0.02, "m", scaled_by="poses", meaning="tray, y from its nominal position"),
        "yaw": Uniform(-0.12, 0.12, "rad", scaled_by="poses", meaning="tray, yaw"),
        "length": Uniform(
            0.22, 0.24, "m", scaled_by="sizes", held_out=True, meaning="tray, center to the ends of its handles",
            limits=(0.21, 0.26),
        ),
        "mass": Uniform(1.0, 3.0, "kg", scaled_by="masses", meaning="tray, mass"),
        "lower_height": Uniform(
            0.025, 0.04, "m", scaled_by="sizes", held_out=True, meaning="lower stand, height", limits=(0.02, 0.2)
        ),
        "taller_height": Uniform(
            0.07, 0.09, "m", scaled_by="sizes", held_out=True, meaning="taller stand, height", limits=(0.02, 0.2)
        ),
        "expression": Choice("color", "height", meaning="how the instruction names the stand"),
    }  # fmt: skip
    size_part = Part("object_reach", 1, "m", "from the center of the tray to the grasp points on its handles")
    inner = 0.15
    give = THICKNESS
    faults = ("tilted", "alone")
    placing, holding = TRAY_PLACE, TRAY_HOLD

    def __init__(self, num_arms: int) -> None:
        self.tray = Tray(num_arms)
        self.turns = np.pi + 2 * np.pi * np.arange(num_arms) / num_arms
        self.directions = np.stack([np.cos(self.turns), np.sin(self.turns)], -1)
        distance, half_turns = TRAY_STANDS[num_arms]
        angles = np.pi * np.array(half_turns)
        self.stand_xy = distance * np.stack([np.cos(angles), np.sin(angles)], -1)

    def props(self) -> tuple[Prop, ...]:
        """Two stands, small enough to leave the handles free, and the tray."""
        names, heights = ("stand_front", "stand_back"), (0.03, 0.08)
        stands = (
            Stand(name, (float(x), float(y), height), half_size=(TRAY_STAND_SIZE, TRAY_STAND_SIZE))
            for name, (x, y), height in zip(names, self.stand_xy, heights, strict=True)
        )
        return (*stands, self.tray)

    def sample(self, d: Sample) -> LoadStart:
        """A tray that lies near the center, away from the taller stand, which the hands must not hit."""
        n, name, end, mass = len(d), self.body, d.length, d.mass
        taller = self.stand_xy[d.taller]
        away = taller / np.sqrt((taller**2).sum(-1, keepdims=True))
        x, y = (np.stack([d.x, d.y], -1) - 0.03 * away).T
        handle = np.stack([end - self.tray.middle, np.full(n, THICKNESS / 2), np.full(n, THICKNESS / 2)], -1)
        fields = {
            ("body_mass", name): mass,
            ("body_inertia", name): tray_inertia(self.tray, end, mass),
            **{("geom_size", f"{name}_handle_{k}"): handle for k in range(self.tray.handles)},
        }
        return LoadStart(_lying(x, y, self.rest, d.yaw), fields, {"reach": end - HANDLE_INSET})

    def frame(self, rot: Array) -> Array:
        """The body's frame, turned by whole handles so that every arm gets the handle nearest to it."""
        xp = array_namespace(rot)
        yaw = xp.atan2(rot[:, 1, 0], rot[:, 0, 0])
        return rot @ rotation_about_z(wrap_angle(yaw, 2 * np.pi / self.tray.handles) - yaw)

    def reach(self, facts: Arrays) -> Array:
        """Distance of the grasp points, on the handles."""
        return facts["reach"]

    def size(self, facts: Arrays) -> Array:
        """The distance of the grasp points."""
        return facts["reach"]

    def level_offsets(self, frame: Array, yaw: Array, tools: Array) -> Array:
        """Offsets in the tray's frame at one common height, so that slipping handles do not drag the commands along."""
        xp = array_namespace(tools)
        offset = (xp.matrix_transpose(frame)[:, None] @ tools[..., None])[..., 0]
        height = xp.mean(offset[..., 2:], axis=1, keepdims=True)
        return xp.concat([offset[..., :2], height + xp.zeros_like(offset[..., 2:])], axis=-1)

    def to_level(self, frame: Array, tools: Array) -> Array:
        """Each arm at the height of its handle, so that the tray is not lifted before all arms hold it."""
        xp = array_namespace(tools)
        return (xp.matrix_transpose(frame)[:, None] @ tools[..., None])[..., 2, 0] - tools[..., 2]

    def commanded_yaw(self, command: Array, offset: Array) -> Array:
        """The rotation that fits all tools best (Kabsch 1976, in the plane)."""
        xp = array_namespace(command)
        a = offset - xp.mean(offset, axis=1, keepdims=True)
        b = command - xp.mean(command, axis=1, keepdims=True)
        sine = xp.sum(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], axis=-1)
        return xp.atan2(sine, xp.sum(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1], axis=-1))


def load_of(num_arms: int) -> Load:
    """The load for a number of arms."""
    return CrateBarLoad() if num_arms == 2 else TrayLoad(num_arms)


def _lying(x: np.ndarray, y: np.ndarray, height: float, yaw: np.ndarray) -> np.ndarray:
    """Poses ``(n, 7)`` of objects that lie on the table."""
    return np.stack([x, y, np.full(len(x), height), np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], -1)
