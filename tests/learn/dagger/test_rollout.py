"""A learner that holds still, in the real environment."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.replay import replay_demos
from teamvla_envs.demos.writer import FileHeader, pack_episodes, write_episode
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_learn.dagger.rollout import LearnerEnv, learner_rollout
from teamvla_learn.dagger.takeover import TakeoverRule

RULE = TakeoverRule(patience=8)


class Holding:
    """Holds still, and checks that it sees what a state policy sees."""

    env_kwargs = {"obs_mode": "state"}  # noqa: RUF012

    def __init__(self, env: Any):
        self._shape = env.num_envs, env.num_arms * env.action_size
        self._size = LearnerEnv(env, "state").single_observation_space.shape

    def reset(self, mask: np.ndarray) -> None:
        assert mask.shape == self._shape[:1]

    def act(self, obs: Any) -> np.ndarray:
        assert obs.shape == (self._shape[0], *self._size)
        return np.zeros(self._shape, np.float32)


@pytest.fixture
def env() -> Iterator[TeamVectorEnv]:
    made = TeamVectorEnv(
        "lift", 2, obs_mode="vision+state", cameras=(), max_episode_steps=300, autoreset_mode=AutoresetMode.DISABLED
    )
    yield made
    made.close()


def test_the_expert_takes_over_and_only_its_part_is_kept(env, tmp_path):
    driven = list(learner_rollout(env, Holding(env), [5, 6, 7], RULE, "intervention", horizon=100))
    assert sorted(one.seed for one in driven) == [5, 6, 7]
    assert {one.outcome for one in driven} == {"rescued"}
    assert {one.reason for one in driven} <= {"stalled", "strayed"}
    for number, one in enumerate(driven):
        assert one.kept is not None
        assert one.kept.success
        assert np.array_equal(one.kept.arrays["actions"], one.kept.arrays["expert_actions"])
        assert one.kept.arrays["states/steps"][0] >= 8
        write_episode(tmp_path / f"{number}.hdf5", one.kept)

    header = FileHeader(
        env_args={"env_kwargs": env.env_kwargs},
        versions={},
        collection={},
        action_parts=env.action_parts,
        agent_pos_parts=env.agent_pos_parts,
        environment_state_parts=env.environment_state_parts,
    )
    pack_episodes([tmp_path / f"{number}.hdf5" for number in range(3)], tmp_path / "round.hdf5", header)
    with open_demos(tmp_path / "round.hdf5") as file:
        assert [replayed.difference for replayed in replay_demos(env, list(file))] == [None, None, None]


def test_in_the_classic_style_the_learner_drives_and_its_stall_is_cut_off(env):
    rule = TakeoverRule(patience=8, stray_steps=1000)
    learner = Pushing(env, 6)
    (one,) = learner_rollout(env, learner, [5], rule, "classic", horizon=100)
    assert (one.outcome, one.reason) == ("labeled", "stalled")
    assert one.kept is not None
    assert not one.kept.success
    assert one.kept.num_samples >= 5
    assert len(one.kept.arrays["states/steps"]) == one.kept.num_samples + 1
    assert not np.array_equal(one.kept.arrays["actions"], one.kept.arrays["expert_actions"])


class Pushing(Holding):
    """Does what the expert does for some steps, but more slowly, and then holds still."""

    def __init__(self, env: Any, steps: int):
        super().__init__(env)
        self._env, self._left = env, steps

    def act(self, obs: Any) -> np.ndarray:
        still = super().act(obs)
        self._left -= 1
        return (0.8 * self._env.expert_actions()).astype(np.float32) if self._left >= 0 else still


def test_a_learner_that_solves_the_task_is_left_alone(env):
    class Expert(Holding):
        def act(self, obs: Any) -> np.ndarray:
            return env.expert_actions()

    (one,) = learner_rollout(env, Expert(env), [5], TakeoverRule(), "intervention", horizon=300)
    assert (one.outcome, one.kept) == ("solved", None)
