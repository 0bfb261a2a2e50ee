"""Copies of all views by ``pickle`` and ``copy.deepcopy``: they continue bit for bit."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from numpy.testing import assert_array_equal
from teamvla_envs.env.message_channel import MessageChannel
from teamvla_envs.env.vector import TeamVectorEnv

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "deepcopy": copy.deepcopy,
}
VIEWS: dict[str, Callable[[], Any]] = {
    "vector": lambda: TeamVectorEnv(
        "lift", 3, randomization="hard", num_threads=1, max_episode_steps=20, autoreset_mode="SameStep"
    ),
    "make_vec": lambda: gym.make_vec("TeamVLA/Lift-v0", num_envs=2, num_threads=1, max_episode_steps=20),
    "single": lambda: gym.make("TeamVLA/Handoff-v0", max_episode_steps=40),
    "vision": lambda: gym.make("TeamVLA/Lift-v0", obs_mode="vision+state", image_size=16, render_mode="rgb_array"),
    "parallel": lambda: teamvla_envs.parallel_env("drawer", num_arms=2, instruction_for="arm_1"),
    "channel": lambda: MessageChannel(teamvla_envs.parallel_env("lift"), 4, drop_rate=0.5, noise=0.1, delay=3, seed=2),
}


def same(one: Any, other: Any) -> None:
    """Two results are equal bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            same(value, other[key])
    elif isinstance(one, (tuple, list)) or getattr(one, "dtype", None) == np.dtype(object):
        for first, second in zip(one, other, strict=True):
            same(first, second)
    else:
        assert_array_equal(one, other)


def sampled(env: Any) -> Any:
    """An action of the space's own generator."""
    if hasattr(env, "agents"):
        return {agent: env.action_space(agent).sample() for agent in env.agents}
    return env.action_space.sample()


def seeded(env: Any) -> None:
    """Fix what the spaces sample."""
    for k, space in enumerate(map(env.action_space, env.agents) if hasattr(env, "agents") else [env.action_space]):
        space.seed(k)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_copy_continues_bit_for_bit(view: str, way: str):
    env = VIEWS[view]()
    env.reset(seed=5)
    env.reset()  # from here on the worlds' own generators
    seeded(env)
    for _ in range(15):
        env.step(sampled(env))
    other = COPIES[way](env)
    assert other is not env
    for _ in range(12):
        same(env.step(sampled(env)), other.step(sampled(other)))
    same(env.reset(), other.reset())
    same(env.step(sampled(env)), other.step(sampled(other)))
    env.close()
    other.close()


@pytest.mark.parametrize("way", COPIES)
def test_what_happens_to_a_copy_does_not_touch_the_original(way: str):
    env = TeamVectorEnv("lift", 2, num_threads=1)
    env.reset(seed=0)
    before = env.get_state()
    other = COPIES[way](env)
    other.step(other.expert_actions())
    other.reset(seed=9)
    other.close()
    same(before, env.get_state())
    env.step(env.expert_actions())
    env.close()


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("view", VIEWS)
def test_an_environment_is_copied_before_its_first_reset(view: str, way: str):
    env = VIEWS[view]()
    other = COPIES[way](env)
    same(env.reset(seed=1), other.reset(seed=1))
    env.close()
    other.close()


def test_a_copy_knows_its_id_and_its_limits():
    env = gym.make("TeamVLA/Lift-v0", max_episode_steps=9)
    env.reset(seed=0)
    other = pickle.loads(pickle.dumps(env))
    assert other.spec == env.spec
    still = np.zeros(16, np.float32)
    ends = [other.step(still)[3] for _ in range(9)]
    assert ends == [False] * 8 + [True]
    assert other.unwrapped.max_episode_steps == 9
