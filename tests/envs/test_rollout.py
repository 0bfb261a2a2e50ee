from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.rollout import FinishedEpisode, Step, rollout
from teamvla_envs.scripted_policies import ZeroPolicy

MakeEnv = Callable[..., TeamVectorEnv]


def length(seed: int) -> int:
    """Control steps after which :class:`Cut` ends the episode of a seed, 1 to 7."""
    return seed % 7 + 1


class Cut:
    """Ends every episode after as many control steps as its seed determines."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._steps: Any = 0

    def begin(self, env: TeamVectorEnv, worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        self._steps = np.where(worlds, 0, self._steps)
        self.begun += env.seeds[worlds].tolist()

    def capture(self, env: TeamVectorEnv, step: Step) -> np.ndarray:
        self._steps = self._steps + 1
        return np.asarray(self._steps >= env.seeds % 7 + 1)


class CountingPolicy(ZeroPolicy):
    """Counts the episodes of each world that it was told to begin."""

    resets = 0

    def reset(self, mask: np.ndarray) -> None:
        self.resets += int(mask.sum())


def run(env: TeamVectorEnv, seeds: Any, *observers: Any) -> list[FinishedEpisode]:
    policy = CountingPolicy()
    policy.bind(env)
    return list(rollout(env, policy, seeds, observers or [Cut()]))


@pytest.mark.parametrize("num_envs", [1, 3, 7, 12])
def test_exactly_the_requested_seeds_run_for_any_number_of_worlds(num_envs: int, make_lift: MakeEnv):
    seeds = list(range(100, 110))
    episodes = run(make_lift(num_envs, autoreset_mode="Disabled"), seeds)
    assert sorted(episode.index for episode in episodes) == list(range(10))
    assert all(episode.seed == seeds[episode.index] for episode in episodes)
    assert all(episode.steps == length(episode.seed) for episode in episodes)


def test_a_world_begins_the_next_seed_as_soon_as_its_episode_ends(make_lift: MakeEnv):
    cut = Cut()
    episodes = run(make_lift(2, autoreset_mode="Disabled"), [6, 0, 1, 7], cut)  # 7, 1, 2 and 1 steps
    assert cut.begun == [6, 0, 1, 7]
    assert [(episode.seed, episode.world) for episode in episodes] == [(0, 1), (1, 1), (7, 1), (6, 0)]


def test_seeds_are_taken_when_a_world_is_free_and_may_repeat(make_lift: MakeEnv):
    taken = []

    def queue():
        for seed in (9, 3, 9):
            taken.append(seed)
            yield seed

    env, policy = make_lift(2, autoreset_mode="Disabled"), CountingPolicy()
    policy.bind(env)
    episodes = rollout(env, policy, queue(), [Cut()])
    assert next(episodes).seed == 9
    assert taken == [9, 3]
    assert [episode.seed for episode in episodes] == [3, 9]


def test_the_policy_is_reset_for_every_episode(make_lift: MakeEnv):
    env, policy = make_lift(4, autoreset_mode="Disabled"), CountingPolicy()
    policy.bind(env)
    list(rollout(env, policy, range(10), [Cut()]))
    assert policy.resets == 10


def test_an_episode_that_no_observer_ends_runs_until_the_environment_ends_it(make_lift: MakeEnv):
    env, policy = make_lift(1, autoreset_mode="Disabled", max_episode_steps=3), CountingPolicy()
    policy.bind(env)
    (episode,) = rollout(env, policy, [11])
    assert (episode.steps, episode.success, episode.end_reason) == (3, False, "time_limit")
    assert episode.goal in env.goals
    assert episode.instruction == env.instructions[0]


def test_no_seeds_give_no_episodes(make_lift: MakeEnv):
    assert run(make_lift(2, autoreset_mode="Disabled"), []) == []


def test_an_environment_that_resets_itself_is_refused(make_lift: MakeEnv):
    with pytest.raises(ValueError, match=r"AutoresetMode\.DISABLED"):
        run(make_lift(2, autoreset_mode=AutoresetMode.NEXT_STEP), [1])
