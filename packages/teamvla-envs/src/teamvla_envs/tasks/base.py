"""What every task promises: a scene, random starts, signals, reward, success, phases, sentences and an expert.

A task is an array program: it maps arrays over N worlds to arrays over N worlds and loops over nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from teamvla_envs.arguments import check_choice
from teamvla_envs.arrays import array_namespace
from teamvla_envs.errors import UserError
from teamvla_envs.kinematics import Chains
from teamvla_envs.randomization import Randomization, get_randomization
from teamvla_envs.scene.cameras import CameraSpec
from teamvla_envs.scene.compose import Scene, compose
from teamvla_envs.scene.props import Prop, Table
from teamvla_envs.world import WorldState

Array = Any
Arrays = Mapping[str, Array]  # named arrays, first axis N
SPLITS = ("train", "unseen")
# Which two of four colors come first and second: every color is in either place in both splits, and training has every
# two colors in one order or in both, so that it tells each color from each other.
COLOR_PAIRS = {
    "train": ((1, 0), (2, 1), (3, 2), (0, 3), (0, 2), (2, 0), (1, 3), (3, 1)),
    "unseen": ((0, 1), (1, 2), (2, 3), (3, 0)),
}
HELD_OUT_SIZES = (0.4, 0.6)  # share of each range of sizes that only the unseen split has
DULLNESS = 0.2  # how far colors of the unseen split are mixed with gray
TABLE_EDGE = Table().half_size  # [m]


@dataclass(frozen=True)
class Start:
    """Where n worlds begin.

    Attributes:
        body_pose: Free body to position and quaternion wxyz, shape ``(n, 7)``.
        fields: Model fields that differ from world to world, first axis n.
        episode: Numeric facts of the episode that signals, sentences and observations read, first axis n.
            ``goal`` (n,) indexes ``Task.goals``.
    """

    body_pose: dict[str, np.ndarray]
    fields: dict[tuple[str, str], np.ndarray]
    episode: dict[str, np.ndarray]


@dataclass(frozen=True)
class ToolGoals:
    """What an expert wants of the tools in the next control step.

    Attributes:
        pos: Wanted tool positions, shape ``(N, A, 3)`` [m].
        rot: Wanted tool orientations, shape ``(N, A, 3, 3)``.
        gripper: -1 closed, +1 open, shape ``(N, A)``.
        speed: Largest tool displacement of this step, shape ``(N, A)`` [m].
        together: Worlds in which the arms must move in step, shape ``(N,)`` bool.
    """

    pos: Array
    rot: Array
    gripper: Array
    speed: Array
    together: Array


class Task(ABC):
    """One kind of joint work for a team of arms.

    Args:
        num_arms: Number of arms A.
        split: ``"train"`` or ``"unseen"``: which sentences, sizes, shades and arrangements of colors are drawn.
        randomization: Level, or a :class:`Randomization`; a task reads its shares of poses, sizes and masses.

    Attributes:
        name: Registry key.
        goals: Outcomes that only the instruction tells apart.
        phases: Names of the phases, in order.
        bodies: Free bodies whose poses the task reads.
        joints: Joints of props whose positions the task reads.
        draws: How many uniform numbers a start consumes.
        pose_draws: Which of them are positions and yaws.
        size_draws: Which of them are sizes.
        mass_draws: Which of them are masses.
        goal_draw: Which of them decides the goal, and nothing else: ``pick(u[:, goal_draw], len(goals))``.
        goal_parts: Names of the state parts that give the goal away.
        indicators: Names of the state parts that are not measured quantities: observation noise spares them.
        horizon: Default number of control steps after which an episode is truncated.
    """

    name: ClassVar[str]
    goals: ClassVar[tuple[str, ...]]
    phases: ClassVar[tuple[str, ...]]
    bodies: tuple[str, ...]
    draws: ClassVar[int]
    pose_draws: ClassVar[tuple[int, ...]] = ()
    size_draws: ClassVar[tuple[int, ...]] = ()
    mass_draws: ClassVar[tuple[int, ...]] = ()
    goal_draw: ClassVar[int] = 0
    goal_parts: ClassVar[tuple[str, ...]]
    indicators: ClassVar[tuple[str, ...]] = ("goal",)
    arm_counts: ClassVar[tuple[int, ...]] = (2,)
    joints: ClassVar[tuple[str, ...]] = ()
    horizon: ClassVar[int] = 300

    def __init__(
        self,
        num_arms: int = 2,
        split: str = "train",
        randomization: str | Randomization | Mapping[str, float] = "default",
    ):
        if num_arms not in self.arm_counts:
            raise UserError(f"num_arms: got {num_arms!r}, allowed are {', '.join(map(repr, self.arm_counts))}")
        check_choice("split", split, SPLITS)
        self.num_arms, self.split = num_arms, split
        self.randomization = get_randomization(randomization)

    def scene(self, robots: tuple[str, ...]) -> Scene:
        """The scene of this task with these robots."""
        return compose(robots, self.props(), self.contact_pairs(), self.cameras())

    @abstractmethod
    def props(self) -> tuple[Prop, ...]:
        """What stands on the table, at nominal sizes."""

    @abstractmethod
    def contact_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of bodies (with their subtrees) whose contacts the task reads."""

    def cameras(self) -> tuple[CameraSpec, ...]:
        """Further cameras of this task's scenes; none by default."""
        return ()

    def start(self, u: np.ndarray) -> Start:
        """Starts for n worlds from uniform numbers, as far as split and randomization let them vary.

        Args:
            u: Shape ``(n, draws)``, in [0, 1).
        """
        u = np.array(u, dtype=np.float64)
        sizes, (low, high) = list(self.size_draws), HELD_OUT_SIZES
        gap = high - low
        if self.split == "unseen":
            u[:, sizes] = low + gap * u[:, sizes]
        else:
            kept = (1 - gap) * u[:, sizes]
            u[:, sizes] = kept + gap * (kept >= low)
        r = self.randomization
        for columns, share in ((self.pose_draws, r.poses), (self.size_draws, r.sizes), (self.mass_draws, r.masses)):
            u[:, list(columns)] = 0.5 + share * (u[:, list(columns)] - 0.5)
        start = self.place(u)
        if self.split == "unseen":
            shades = {key: _shade(rgba) for key, rgba in start.fields.items() if key[0] == "geom_rgba"}
            start = replace(start, fields=start.fields | shades)
        return start

    def draw_of_goal(self, goal: str) -> float:
        """The number in column ``goal_draw`` that gives a start this goal.

        Raises:
            ValueError: If the task has no such goal; the message lists those it has.
        """
        check_choice("goal", goal, self.goals)
        return (self.goals.index(goal) + 0.5) / len(self.goals)

    def draw_pairs(self, u: np.ndarray) -> np.ndarray:
        """Ordered pairs of the split from uniform numbers ``(n,)``: indices of colors, shape ``(n, 2)``."""
        pairs = np.array(COLOR_PAIRS[self.split])
        return pairs[pick(u, len(pairs))]

    def draw_mirrored(self, pairs: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Whether a second pair has the colors of ``pairs`` ``(n, 2)`` the other way round, if the split has that."""
        known = (pairs[:, None, ::-1] == np.array(COLOR_PAIRS[self.split])).all(-1).any(-1)
        return known & (pick(u, 2) == 1)

    @abstractmethod
    def place(self, u: np.ndarray) -> Start:
        """Starts for n worlds.

        Args:
            u: Shape ``(n, draws)``, in [0, 1); numbers of ``pose_draws``, ``size_draws`` and ``mass_draws`` exceed that
                by a little when randomization is wider than the task's ranges.
        """

    @abstractmethod
    def instruction(self, episode: Arrays, world: int) -> str:
        """The sentence that tells one world's goal."""

    @abstractmethod
    def sentences(self, episode: Arrays, world: int) -> tuple[str, ...]:
        """Every sentence of the split that is true of one world's goal, in whatever words it could be told."""

    @classmethod
    @abstractmethod
    def vocabulary(cls) -> tuple[str, ...]:
        """Every sentence part of the training split."""

    @abstractmethod
    def signals(self, world: WorldState, episode: Arrays, memory: Arrays) -> dict[str, Array]:
        """Named arrays that reward, success, phases, observations and expert read."""

    @abstractmethod
    def remember(self, signals: Arrays) -> dict[str, Array]:
        """What the task must remember until the next step, from this step's signals (empty arrays at a start).

        A state may be looked at more than once, for example after another world was reset: signals made with this
        memory in the same state must give the same memory again.
        """

    @abstractmethod
    def blank_memory(self, n: int) -> dict[str, np.ndarray]:
        """The memory at the start of an episode."""

    @abstractmethod
    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Dense reward: name to weight and value in [0, 1], shape ``(N,)``."""

    @abstractmethod
    def succeeds(self, signals: Arrays) -> Array:
        """Whether the goal is reached in this step, shape ``(N,)`` bool."""

    def lost(self, world: WorldState) -> Array:
        """Whether a free body has left the table, which ends the episode; shape ``(N,)`` bool."""
        xp = array_namespace(world.body_pos)
        x, y, z = world.body_pos[..., 0], world.body_pos[..., 1], world.body_pos[..., 2]
        beyond = (xp.abs(x) > TABLE_EDGE[0]) | (xp.abs(y) > TABLE_EDGE[1]) | (z < -0.02)
        return beyond.any(-1)

    @abstractmethod
    def hold_steps(self, episode: Arrays) -> Array:
        """For how many control steps in a row the goal must be reached, shape ``(N,)``."""

    @abstractmethod
    def phase(self, signals: Arrays) -> Array:
        """Index into ``phases``, inferred from the state alone, shape ``(N,)``."""

    def joint_work(self, signals: Arrays) -> Array:
        """Whether the arms depend on one another in this state, shape ``(N,)`` bool; never, unless a task says when."""
        xp = array_namespace(next(iter(signals.values())))
        return xp.zeros(next(iter(signals.values())).shape[0], dtype=bool)

    def roles(self, signals: Arrays) -> Array:
        """Whether each arm does its part in the present phase, shape ``(N, A)`` bool.

        The coordination score reads it where there is :meth:`joint_work`.
        """
        xp = array_namespace(next(iter(signals.values())))
        return xp.ones((next(iter(signals.values())).shape[0], self.num_arms), dtype=bool)

    @abstractmethod
    def state_parts(self, world: WorldState, episode: Arrays, signals: Arrays) -> dict[str, Array]:
        """Privileged observation beside proprioception: name to ``(N, k)``."""

    @abstractmethod
    def tool_goals(self, world: WorldState, chains: Chains, episode: Arrays, signals: Arrays) -> ToolGoals:
        """The expert: what the tools should do next, from any state, without a clock or memory."""


def _shade(rgba: np.ndarray) -> np.ndarray:
    """A duller shade of colors ``(n, 4)`` that still goes by the same name."""
    return np.concatenate([(1 - DULLNESS) * rgba[:, :3] + DULLNESS * 0.5, rgba[:, 3:]], axis=1)


def pick(u: Any, n: int) -> np.ndarray:
    """Integers 0 … n-1 from uniform numbers in [0, 1)."""
    return np.minimum((np.asarray(u) * n).astype(np.int64), n - 1)
