"""The interface of a task: scene, initial states, signals, reward, success, phases and instructions.

A task is an array program: it maps arrays over N worlds to arrays over N worlds and loops over nothing. A minimal task
declares :attr:`Task.draws` and :attr:`Task.parts` and implements the five abstract methods; everything else has a
default.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import cleandoc
from typing import Any, ClassVar

import numpy as np

from teamvla_envs.arguments import check_choice
from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.expert import Expert
from teamvla_envs.errors import UserError
from teamvla_envs.randomization import Randomization, get_randomization
from teamvla_envs.scene.cameras import CameraSpec
from teamvla_envs.scene.compose import Scene, compose
from teamvla_envs.scene.props import Prop, Table
from teamvla_envs.tasks.draws import Choice, Draws, Sample
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.parts import Part, flagged
from teamvla_envs.tasks.tables import document
from teamvla_envs.world import ContactPair, WorldState

Array = Any
Arrays = Mapping[str, Array]  # named arrays, first axis N
SPLITS = ("train", "unseen")
DULLNESS = 0.2  # share of gray in the colors of the unseen split
TABLE_EDGE = Table().half_size  # [m]
HOLD_STEPS = 10  # 0.4 s


@dataclass(frozen=True)
class InitialState:
    """Initial states of n worlds.

    Attributes:
        body_pose: Free body to position and quaternion wxyz, shape ``(n, 7)``.
        fields: Model fields that differ from world to world, first axis n.
        facts: Numeric facts of the episode that signals, instructions and observations read, first axis n. The draws
            ``goal`` and ``wording`` are added to them.
    """

    body_pose: dict[str, np.ndarray]
    fields: dict[tuple[str, str], np.ndarray]
    facts: dict[str, np.ndarray]


class Task(ABC):
    """A cooperative task for a team of arms.

    Args:
        num_arms: Number of arms A.
        split: ``"train"`` or ``"unseen"``: instructions, held-out ranges, shades and arrangements of colors.
        randomization: Level, :class:`Randomization`, or a mapping of its attributes and of ranges by name of draw.

    Attributes:
        name: Registry key.
        draws: The random quantities of an initial state. The draw ``goal`` is a :class:`Choice` whose options are the
            goals; it must not decide anything else.
        parts: Parts of the privileged observation, in order; see :meth:`state_parts`.
        goals: Outcomes that only the instruction distinguishes.
        phases: Names of the phases, in order.
        bodies: Free bodies whose poses the task reads.
        joints: Joints of props whose positions the task reads.
        arm_counts: Numbers of arms that the task supports.
        horizon: Default number of control steps after which an episode is truncated.
        paraphrases: Templates of the instruction; see :meth:`words`.
        expert: Class of the scripted expert, ``None`` for a task without one.
        description: Docstring without the tables that are added to it.
    """

    name: ClassVar[str]
    draws: Draws
    parts: tuple[Part, ...]
    goals: ClassVar[tuple[str, ...]]
    phases: ClassVar[tuple[str, ...]] = ("working", "done")
    bodies: tuple[str, ...] = ()
    joints: ClassVar[tuple[str, ...]] = ()
    arm_counts: ClassVar[tuple[int, ...]] = (2,)
    horizon: ClassVar[int] = 300
    paraphrases: ClassVar[Paraphrases]
    expert: ClassVar[type[Expert] | None] = None
    description: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive the goals and the tables of the docstring from the declaration."""
        super().__init_subclass__(**kwargs)
        if "draws" in vars(cls):
            goal = cls.draws.get("goal")
            if not isinstance(goal, Choice):
                raise TypeError(f"{cls.__name__}.draws has no goal=Choice(...), which every task needs")
            cls.goals = goal.options
            cls.description = cleandoc(cls.__doc__ or "")
            cls.__doc__ = document(cls, cls.description)

    def __init__(
        self,
        num_arms: int = 2,
        split: str = "train",
        randomization: str | Randomization | Mapping[str, Any] = "default",
    ):
        if num_arms not in self.arm_counts:
            raise UserError(f"num_arms: got {num_arms!r}, allowed are {', '.join(map(repr, self.arm_counts))}")
        check_choice("split", split, SPLITS)
        self.num_arms, self.split = num_arms, split
        self.fit_team()
        self.randomization = get_randomization(randomization, tuple(self.draws.ranges))
        self.draws = self.draws.override(self.randomization.ranges)

    def fit_team(self) -> None:
        """Set the attributes that depend on the number of arms; nothing by default."""
        return

    @property
    def goal_parts(self) -> tuple[str, ...]:
        """Names of the parts that give the goal away."""
        return flagged(self.parts, "goal")

    @property
    def indicators(self) -> tuple[str, ...]:
        """Names of the parts that observation noise leaves as they are."""
        return flagged(self.parts, "indicator")

    def scene(self, robots: tuple[str, ...]) -> Scene:
        """The scene of this task with these robots."""
        return compose(robots, self.props(), self.contact_pairs(), self.cameras())

    @abstractmethod
    def props(self) -> tuple[Prop, ...]:
        """Table, fixtures and objects, at nominal sizes."""

    def contact_pairs(self) -> tuple[ContactPair, ...]:
        """Pairs of bodies whose contacts are measured: hands with free bodies, arms with the table and each other."""
        tables = tuple(prop.name for prop in self.props() if isinstance(prop, Table))
        return (*self.grasps(*self.bodies), *self.collisions(*tables), *self.arm_collisions())

    def grasps(self, *bodies: str) -> tuple[ContactPair, ...]:
        """Pairs of each hand with each of some bodies."""
        arms = range(self.num_arms)
        return tuple(ContactPair(f"arm_{k}/hand", body, "grasp", arm=k, body=body) for body in bodies for k in arms)

    def collisions(self, *others: str) -> tuple[ContactPair, ...]:
        """Pairs of the moving links of each arm with bodies that it should not touch."""
        return tuple(ContactPair(f"arm_{k}/upper_arm", other) for k in range(self.num_arms) for other in others)

    def arm_collisions(self) -> tuple[ContactPair, ...]:
        """Pairs of each two arms."""
        return tuple(ContactPair(f"arm_{j}/base", f"arm_{k}/base") for k in range(self.num_arms) for j in range(k))

    def cameras(self) -> tuple[CameraSpec, ...]:
        """Further cameras of this task's scenes; none by default."""
        return ()

    def initial_state(self, u: np.ndarray) -> InitialState:
        """Initial states of n worlds from uniform numbers.

        Args:
            u: Shape ``(n, draws.count)``, in [0, 1).
        """
        d = self.draws.sample(np.asarray(u, dtype=np.float64), self.split, self.randomization)
        start = self.sample(d)
        facts = {"goal": d.goal, **start.facts, "wording": d.wording if "wording" in d else np.zeros(len(d))}
        fields = start.fields
        if self.split == "unseen":
            fields = fields | {key: _shade(rgba) for key, rgba in fields.items() if key[0] == "geom_rgba"}
        return replace(start, fields=fields, facts=facts)

    def draw_of_goal(self, goal: str) -> float:
        """The uniform number in the column of the goal that selects this goal.

        Raises:
            UserError: If the task has no such goal; the message lists those it has.
        """
        check_choice("goal", goal, self.goals)
        return (self.goals.index(goal) + 0.5) / len(self.goals)

    @abstractmethod
    def sample(self, d: Sample) -> InitialState:
        """Initial states of n worlds from drawn values, ``d.<name>``, each with first axis n."""

    def words(self, facts: Arrays, world: int) -> dict[str, str]:
        """Words for the templates of :attr:`paraphrases`, from facts with first axis N; by default ``goal``."""
        return {"goal": self.goals[int(facts["goal"][world])]}

    def instruction(self, facts: Arrays, world: int) -> str:
        """The instruction of one world, from facts with first axis N."""
        return self.paraphrases.choose(float(facts["wording"][world]), self.split, **self.words(facts, world))

    def sentences(self, facts: Arrays, world: int) -> tuple[str, ...]:
        """All instructions of the split that express the goal of one world, from facts with first axis N."""
        return self.paraphrases.every(self.split, **self.words(facts, world))

    @abstractmethod
    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """Named arrays, first axis N, that reward, success, phases, observations and expert read."""

    def initial_memory(self, n: int) -> dict[str, np.ndarray]:
        """The memory at the start of an episode, arrays with first axis n; empty by default."""
        return {}

    def update_memory(self, signals: Arrays) -> dict[str, Array]:
        """The memory that the next step reads, first axis N, from the signals of this step; empty by default.

        It must be idempotent: signals of the same state computed with this memory must give the same memory again,
        because a state is evaluated again after another world was reset.
        """
        return {}

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Dense reward: name to weight and value in [0, 1], shape ``(N,)``; by default 1 for success."""
        xp = array_namespace(self.is_success(signals))
        return {"success": (1.0, xp.where(self.is_success(signals), 1.0, 0.0))}

    @abstractmethod
    def is_success(self, signals: Arrays) -> Array:
        """Whether the goal is reached in this step, shape ``(N,)`` bool."""

    def is_lost(self, world: WorldState) -> Array:
        """Whether a free body has left the table, which ends the episode; shape ``(N,)`` bool."""
        xp = array_namespace(world.body_pos)
        x, y, z = world.body_pos[..., 0], world.body_pos[..., 1], world.body_pos[..., 2]
        beyond = (xp.abs(x) > TABLE_EDGE[0]) | (xp.abs(y) > TABLE_EDGE[1]) | (z < -0.02)
        return beyond.any(-1)

    def hold_steps(self, facts: Arrays) -> Array:
        """Number of consecutive control steps for which the goal must be reached, shape ``(N,)``; 0.4 s by default."""
        return 0 * facts["goal"] + HOLD_STEPS

    def phase(self, signals: Arrays) -> Array:
        """Index into :attr:`phases`, inferred from the state alone, shape ``(N,)``; by default the last at success."""
        success = self.is_success(signals)
        return array_namespace(success).where(success, len(self.phases) - 1, 0)

    def is_cooperative(self, signals: Arrays) -> Array:
        """Whether the arms depend on one another in this state, shape ``(N,)`` bool; never by default."""
        return self.is_success(signals) & False

    def roles(self, signals: Arrays) -> Array:
        """Whether each arm fulfills its role in the present phase, shape ``(N, A)`` bool; always by default.

        The coordination score averages it over the steps with :meth:`is_cooperative`.
        """
        never = self.is_success(signals)[:, None] & False
        return array_namespace(never).concat([~never] * self.num_arms, axis=-1)

    @abstractmethod
    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """Privileged observation in addition to proprioception: the name of each of :attr:`parts` to ``(N, size)``."""

    @classmethod
    def get_expert(cls) -> type[Expert]:
        """The class of the scripted expert.

        Raises:
            UserError: If the task has none.
        """
        if cls.expert is None:
            raise UserError(f"task {cls.name!r} has no expert")
        return cls.expert

    def make_expert(self) -> Expert:
        """A scripted expert for this task; errors are those of :meth:`get_expert`."""
        return self.get_expert()(self)


def _shade(rgba: np.ndarray) -> np.ndarray:
    """A duller shade of colors ``(n, 4)`` that still goes by the same name."""
    return np.concatenate([(1 - DULLNESS) * rgba[:, :3] + DULLNESS * 0.5, rgba[:, 3:]], axis=1)
