"""Shared fixtures: scenes and models built once, environments that are closed, rollouts of the expert."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import mujoco
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_envs.cluster.engine import RayEngine
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.tasks.lift import Lift


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Interrupts work as in a terminal: a shell lets the jobs that it starts in the background ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def lift_scene() -> Scene:
    """The scene of Lift with two Pandas."""
    return Lift().scene(("panda", "panda"))


@pytest.fixture(scope="session")
def direct_model(lift_scene: Scene) -> mujoco.MjModel:
    """That scene compiled by MuJoCo alone; read only."""
    return mujoco.MjModel.from_xml_string(lift_scene.xml)


@pytest.fixture(scope="session")
def newton_model(lift_scene: Scene) -> mujoco.MjModel:
    """That scene compiled through Newton; read only."""
    return compile_scene(lift_scene)


@pytest.fixture
def make_lift() -> Iterator[Callable[..., TeamVectorEnv]]:
    """Makes vector environments of Lift and closes them after the test."""
    made: list[TeamVectorEnv] = []

    def make(num_envs: int = 1, **kwargs: Any) -> TeamVectorEnv:
        made.append(TeamVectorEnv("lift", num_envs, **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


@dataclass(frozen=True)
class Outcome:
    """Outcomes of N episodes.

    Attributes:
        success: Shape ``(N,)``.
        steps: Control steps, shape ``(N,)``.
        goals: Names, shape ``(N,)``.
    """

    success: np.ndarray
    steps: np.ndarray
    goals: np.ndarray

    def rate(self, goal: str | None = None) -> float:
        """Share of successes, of all episodes or of those with one goal."""
        return float(self.success[(self.goals == goal) | (goal is None)].mean())


class FinishEpisodes(Protocol):
    """Drives an environment until every episode has ended."""

    def __call__(self, env: TeamVectorEnv, policy: Callable[[], np.ndarray] | None = None) -> Outcome:
        """Steps ``env`` with ``policy()``, its expert unless another one is given."""
        ...


@pytest.fixture(scope="session")
def finish_episodes() -> FinishEpisodes:
    """Plays the running episodes of an environment with ``AutoresetMode.DISABLED`` to their end."""

    def finish(env: TeamVectorEnv, policy: Callable[[], np.ndarray] | None = None) -> Outcome:
        assert env.autoreset_mode == AutoresetMode.DISABLED
        goals = np.array(env.goal_names)
        steps = np.zeros(env.num_envs, int)
        ended = np.zeros(env.num_envs, bool)
        info: dict[str, Any] = {}
        while not ended.all():
            steps += ~ended
            _, _, terminated, truncated, info = env.step((policy or env.expert_actions)())
            ended = terminated | truncated
        return Outcome(info["is_success"], steps, goals)

    return finish


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Runs a program in a new interpreter and returns what it prints."""

    def run(program: str, **environment: str) -> str:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def ray_engine() -> Iterator[RayEngine]:
    """A Ray cluster of two workers on this machine, started once."""
    engine = RayEngine(workers=2)
    with engine.connect():
        yield engine
