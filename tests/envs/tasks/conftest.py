"""Shared fixtures of the tests of tasks: teams, environments that are closed, and policies."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import get_task
from teamvla_envs.seeds import episode_seeds
from teamvla_envs.tasks.base import Task

MakeEnv = Callable[..., TeamVectorEnv]
Act = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Team:
    """A task with some number of arms, and how its expert fares.

    Attributes:
        task: Name.
        num_arms: Number of arms.
        steps: Control steps in which the expert solves the episodes of the tests.
        median: Of the control steps that it may need.
        busy: A step in which it is in the middle of something.
        noise: Standard deviation of noise that it copes with, per step [rad].
    """

    task: str
    num_arms: int
    steps: int
    median: int
    busy: int
    noise: float

    @property
    def cls(self) -> type[Task]:
        """The class of the task."""
        return get_task(self.task)

    def __str__(self) -> str:
        return f"{self.task}-{self.num_arms}"


PAIRS = (
    Team("lift", 2, 130, 300, 50, 0.002),
    Team("handoff", 2, 240, 200, 105, 0.0015),
    Team("drawer", 2, 220, 250, 75, 0.003),
)
LARGER = (
    Team("lift", 3, 130, 300, 55, 0.002),
    Team("lift", 4, 130, 300, 55, 0.002),
    Team("handoff", 3, 330, 300, 105, 0.0015),
    Team("handoff", 4, 400, 400, 105, 0.0015),
)
TEAMS = PAIRS + LARGER


def each(teams: Sequence[Team]) -> pytest.MarkDecorator:
    """Run a test with each of these teams."""
    return pytest.mark.parametrize("team", teams, ids=str)


@pytest.fixture
def make_env() -> Iterator[MakeEnv]:
    """Makes vector environments of a task or team whose ended episodes rest, and closes them after the test."""
    made: list[TeamVectorEnv] = []

    def make(team: str | Team, num_envs: int = 1, **kwargs: Any) -> TeamVectorEnv:
        if isinstance(team, Team):
            kwargs = {"num_arms": team.num_arms, **kwargs}
        task = team.task if isinstance(team, Team) else team
        made.append(TeamVectorEnv(task, num_envs, autoreset_mode="Disabled", **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


def begin(env: TeamVectorEnv, offset: int = 0, goals: Sequence[str] | None = None) -> None:
    """Begin the held-out episodes that follow ``offset``, with other goals if they are given."""
    env.reset(seed=episode_seeds("test", env.num_envs, offset).tolist(), options={"goal": goals})


def part_of(env: TeamVectorEnv, prefix: str) -> dict[str, np.ndarray]:
    """The facts (``"episode"``) or the memory (``"memory"``) of the running episodes."""
    return {key.split(".")[1]: value for key, value in env.get_state().items() if key.startswith(f"{prefix}.")}


def turned(env: TeamVectorEnv, turn: int) -> list[str]:
    """Other goals than the episodes have: those that come ``turn`` later in the task's list."""
    return [env.goals[(env.goals.index(goal) + turn) % len(env.goals)] for goal in env.goal_names]


def frozen(env: TeamVectorEnv, *arms: int) -> Act:
    """The expert, except that some arms keep still with their grippers open."""

    def act() -> np.ndarray:
        actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
        actions[:, arms] = 0.0
        actions[:, arms, -1] = 1.0
        return actions.reshape(env.num_envs, -1)

    return act


def after_random_steps(env: TeamVectorEnv, steps_alike: int, steps: int = 60) -> np.ndarray:
    """Take random actions, each for some steps; returns which worlds have lost nothing."""
    rng = np.random.default_rng(0)
    for step in range(steps):
        if step % steps_alike == 0:
            actions = rng.uniform(-1, 1, (env.num_envs, env.num_arms * env.action_size))
        *_, info = env.step(actions)
    on_table: np.ndarray = info["end_reason"] == ""
    return on_table
