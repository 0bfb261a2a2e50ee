"""What the arms of Lift carry: how it is held, where it may stand, how its start is drawn, which pose it looks like."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from teamvla_envs.arrays import array_namespace, stack_last
from teamvla_envs.geometry import rotation_about_z, wrap_angle
from teamvla_envs.scene.loads import CrateBar, Tray, crate_bar_inertia, tray_inertia
from teamvla_envs.scene.props import Prop, Stand
from teamvla_envs.tasks.base import Array, Arrays
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.lift_sentences import HOLD, PLACE, TRAY_HOLD, TRAY_PLACE

THICKNESS, CRATE_HEIGHT = 0.03, 0.06  # [m]
GRASP_INSET = 0.035  # [m] from the bar's end to the grasp point
REST = CRATE_HEIGHT / 2  # [m] height of the bar's center above what it lies on
STAND_Y = 0.30  # [m] the bar's stands are at (0, -STAND_Y), "front", and (0, +STAND_Y), "back"
HANDLE_INSET = 0.03  # [m] from the end of a tray's handle to the grasp point
# Number of arms to where the tray's stands are: (distance from the center [m], angles of front and back in half turns).
# Each stands halfway between the directions of two arms, as far out as the arm across the table can still reach.
TRAY_STANDS = {3: (0.225, (-2 / 3, 2 / 3)), 4: (0.28, (-1 / 4, 3 / 4))}
TRAY_STAND_SIZE = 0.04  # [m] half an edge of these stands


@dataclass(frozen=True)
class LoadStart:
    """A load's part of the starts of n worlds.

    Attributes:
        pose: Position and quaternion wxyz, shape ``(n, 7)``.
        fields: Model fields that differ from world to world, first axis n.
        size: What :meth:`Load.reach` reads of the episode, first axis n.
    """

    pose: np.ndarray
    fields: dict[tuple[str, str], np.ndarray]
    size: dict[str, np.ndarray]


class Load(ABC):
    """What a team of A arms carries, each arm at its own grasp point.

    The frame of a load is that of the body, turned about its z to the nearest pose that looks the same.

    Attributes:
        body: Name of the body.
        rest: Height of its center above what it lies on [m].
        directions: In its frame, from the center to the grasp points, shape ``(A, 2)``.
        turns: Yaws in its frame of what the fingers close on, shape ``(A,)`` [rad].
        stand_xy: Places of the front and the back stand, shape ``(2, 2)`` [m].
        heights: Least height of the lower and the taller stand and how much more they can be [m].
        expressions: What a stand can be named by.
        inner: Nearest place to the center where a hand can hold the rod [m].
        give: How much wider a held rod is between upright fingers for each radian of tilt [m].
        faults: What must not happen between lifting it off the table and success.
        placing: Sentences that name a stand.
        holding: Sentences that ask to hold it up.
    """

    body: ClassVar[str]
    rest: ClassVar[float]
    heights: ClassVar[tuple[tuple[float, float], tuple[float, float]]]
    expressions: ClassVar[tuple[str, ...]]
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
    def sample(self, u: np.ndarray, taller: np.ndarray) -> LoadStart:
        """Draw pose, size and mass.

        Args:
            u: Shape ``(n, 5)``, around [0, 1): x, y, yaw, size, mass.
            taller: Index of the taller stand, shape ``(n,)``.
        """

    @abstractmethod
    def frame(self, rot: Array) -> Array:
        """The load's frame ``(N, 3, 3)`` from the body's orientation ``(N, 3, 3)``."""

    @abstractmethod
    def reach(self, facts: Arrays) -> Array:
        """From the center to the grasp points, shape ``(N,)`` [m]."""

    @abstractmethod
    def size_part(self, facts: Arrays) -> dict[str, Array]:
        """The size as a part of the privileged observation, ``(N, 1)``."""

    @abstractmethod
    def level_offsets(self, frame: Array, yaw: Array, tools: Array) -> Array:
        """Where the tools would be relative to a load that is level and has no yaw.

        Args:
            frame: The load's frame, shape ``(N, 3, 3)``.
            yaw: Of the load, shape ``(N,)`` [rad].
            tools: Tool positions relative to the load's center, shape ``(N, A, 3)``.
        """

    @abstractmethod
    def to_level(self, frame: Array, tools: Array) -> Array:
        """By how much arms that hold a tilted load must rise until it is level, shape ``(N, A)`` [m].

        Args:
            frame: The load's frame, shape ``(N, 3, 3)``.
            tools: Tool positions relative to the load's center, shape ``(N, A, 3)``.
        """

    @abstractmethod
    def commanded_yaw(self, command: Array, offset: Array) -> Array:
        """The load's yaw that commanded tool positions ``(N, A, 3)`` ask for, given level offsets; shape ``(N,)``."""


class CrateBarLoad(Load):
    """The crate-bar between two arms that face each other."""

    body = "bar"
    rest = REST
    heights = ((0.055, 0.025), (0.11, 0.03))
    expressions = ("color", "side", "height")
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

    def sample(self, u: np.ndarray, taller: np.ndarray) -> LoadStart:
        """Anywhere near the center, longer or shorter."""
        n = len(u)
        x, y = 0.06 * (2 * u[:, :2] - 1).T
        yaw = 0.6 * (2 * u[:, 2] - 1)
        length, mass = 0.40 + 0.30 * u[:, 3], 0.5 + 1.0 * u[:, 4]
        _, inertia = crate_bar_inertia(length, mass)
        rod = np.stack([length / 2, np.full(n, THICKNESS / 2), np.full(n, THICKNESS / 2)], -1)
        fields = {
            ("body_mass", "bar"): mass,
            ("body_inertia", "bar"): inertia,
            ("geom_size", "bar_rod"): rod,
        }
        return LoadStart(_lying(x, y, REST, yaw), fields, {"length": length})

    def frame(self, rot: Array) -> Array:
        """The bar looks the same turned by 180 degrees: its axis is taken to point to the last arm's side (+x)."""
        xp = array_namespace(rot)
        flip = xp.where(rot[:, 0, 0] < 0, -1.0, 1.0)[:, None]
        return stack_last(rot[:, :, 0] * flip, rot[:, :, 1] * flip, rot[:, :, 2])

    def reach(self, facts: Arrays) -> Array:
        """Near the ends."""
        return facts["length"] / 2 - GRASP_INSET

    def size_part(self, facts: Arrays) -> dict[str, Array]:
        """The length."""
        return {"object_length": facts["length"][:, None]}

    def level_offsets(self, frame: Array, yaw: Array, tools: Array) -> Array:
        """Take yaw and slope out of them; how the bar is rolled about its axis does not matter."""
        xp = array_namespace(tools)
        turn = xp.matrix_transpose(rotation_about_z(yaw))
        offset = (turn[:, None] @ tools[..., None])[..., 0]
        slope = frame[:, 2, 0]
        return xp.concat([offset[..., :2], (offset[..., 2] - slope[:, None] * offset[..., 0])[..., None]], axis=-1)

    def to_level(self, frame: Array, tools: Array) -> Array:
        """Both ends at the height of the center."""
        return -tools[..., 2]

    def commanded_yaw(self, command: Array, offset: Array) -> Array:
        """From the line between the tools."""
        xp = array_namespace(command)
        span, commanded = offset[:, 1] - offset[:, 0], command[:, 1] - command[:, 0]
        return xp.atan2(commanded[:, 1], commanded[:, 0]) - xp.atan2(span[:, 1], span[:, 0])


class TrayLoad(Load):
    """The tray among three or four arms, one handle for each."""

    body = "tray"
    rest = THICKNESS / 2
    heights = ((0.025, 0.015), (0.07, 0.02))
    expressions = ("color", "height")
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

    def sample(self, u: np.ndarray, taller: np.ndarray) -> LoadStart:
        """Near the center but away from the taller stand, which hands on the handles must not hit."""
        n, name = len(u), self.body
        away = self.stand_xy[taller] / np.sqrt((self.stand_xy[taller] ** 2).sum(-1, keepdims=True))
        x, y = (0.02 * (2 * u[:, :2] - 1) - 0.03 * away).T
        yaw = 0.12 * (2 * u[:, 2] - 1)
        end, mass = 0.22 + 0.02 * u[:, 3], 1.0 + 2.0 * u[:, 4]
        handle = np.stack([end - self.tray.middle, np.full(n, THICKNESS / 2), np.full(n, THICKNESS / 2)], -1)
        fields = {
            ("body_mass", name): mass,
            ("body_inertia", name): tray_inertia(self.tray, end, mass),
            **{("geom_size", f"{name}_handle_{k}"): handle for k in range(self.tray.handles)},
        }
        return LoadStart(_lying(x, y, self.rest, yaw), fields, {"reach": end - HANDLE_INSET})

    def frame(self, rot: Array) -> Array:
        """The tray looks the same turned by one handle: every arm gets the handle that is nearest to it."""
        xp = array_namespace(rot)
        yaw = xp.atan2(rot[:, 1, 0], rot[:, 0, 0])
        return rot @ rotation_about_z(wrap_angle(yaw, 2 * np.pi / self.tray.handles) - yaw)

    def reach(self, facts: Arrays) -> Array:
        """On the handles."""
        return facts["reach"]

    def size_part(self, facts: Arrays) -> dict[str, Array]:
        """How far out the handles are held."""
        return {"object_reach": facts["reach"][:, None]}

    def level_offsets(self, frame: Array, yaw: Array, tools: Array) -> Array:
        """As the tray's frame sees them, but at one height: handles that slip must not drag the commands along."""
        xp = array_namespace(tools)
        offset = (xp.matrix_transpose(frame)[:, None] @ tools[..., None])[..., 0]
        height = xp.mean(offset[..., 2:], axis=1, keepdims=True)
        return xp.concat([offset[..., :2], height + xp.zeros_like(offset[..., 2:])], axis=-1)

    def to_level(self, frame: Array, tools: Array) -> Array:
        """Wherever on the handles they are, so that few cannot lift it before all hold."""
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
    """What so many arms carry."""
    return CrateBarLoad() if num_arms == 2 else TrayLoad(num_arms)


def _lying(x: np.ndarray, y: np.ndarray, height: float, yaw: np.ndarray) -> np.ndarray:
    """Poses ``(n, 7)`` of a thing that lies on the table."""
    return np.stack([x, y, np.full(len(x), height), np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], -1)
