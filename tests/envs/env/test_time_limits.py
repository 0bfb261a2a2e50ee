"""Truncation: one count of steps, whoever asks for the limit."""

import copy
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
import teamvla_envs
from gymnasium.wrappers import TimeLimit
from teamvla_envs.env.episodes import END_REASONS
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.tasks.lift import Lift

ID = "TeamVLA/Lift-v0"
STILL = np.zeros(16, np.float32)


def steps_to_the_end(env: gym.Env[Any, Any], most: int = 400) -> tuple[int, dict[str, Any]]:
    """Steps until truncation, and the last info."""
    for step in range(1, most + 1):
        _, _, _, truncated, info = env.step(STILL)
        if truncated:
            return step, info
    return 0, info


@pytest.mark.parametrize("limit", [None, 4, 310])
def test_truncation_is_a_time_limit_in_gymnasium_too(limit: int | None):
    env = gym.make(ID, max_episode_steps=limit)
    env.reset(seed=0)
    steps, info = steps_to_the_end(env)
    assert steps == (limit or 300)
    assert info["end_reason"] == "time_limit"
    assert env.spec is not None
    assert env.spec.max_episode_steps == steps
    assert env.unwrapped.get_wrapper_attr("max_episode_steps") == steps
    env.close()


@pytest.mark.parametrize(("wasted", "restored"), [(0, 12), (18, 12), (18, 0), (3, 19)])
def test_a_restored_state_is_truncated_at_its_own_step(wasted: int, restored: int):
    env = gym.make(ID, max_episode_steps=20)
    inner: Any = env.unwrapped
    env.reset(seed=0)
    for _ in range(restored):
        env.step(STILL)
    state = inner.get_state()
    env.reset(seed=1)
    for _ in range(wasted):
        env.step(STILL)
    inner.set_state(state)
    steps, info = steps_to_the_end(env)
    assert steps == 20 - restored
    assert info["end_reason"] == "time_limit"
    again: Any = copy.deepcopy(env)
    again.reset(seed=0)
    again.unwrapped.set_state(state)
    assert steps_to_the_end(again)[0] == 20 - restored
    env.close()
    again.close()


@pytest.mark.parametrize(
    ("own", "wrapped", "expected"), [(None, 5, 5), (None, 310, 310), (7, 5, 5), (5, 7, 5), (7, None, 7)]
)
def test_the_lowest_limit_counts_and_the_horizon_gives_way(own: int | None, wrapped: int | None, expected: int):
    env: gym.Env[Any, Any] = TeamEnv("lift", max_episode_steps=own)
    if wrapped is not None:
        env = TimeLimit(env, wrapped)
    env.reset(seed=0)
    steps, info = steps_to_the_end(env)
    assert (steps, info["end_reason"]) == (expected, "time_limit")
    env.close()


def test_before_the_first_reset_the_limit_is_the_horizon():
    env = gym.make(ID)
    assert env.unwrapped.get_wrapper_attr("env_kwargs")["max_episode_steps"] == 300
    env.close()


def test_without_a_limit_an_episode_goes_on():
    env = gym.make(ID, max_episode_steps=-1)
    env.reset(seed=0)
    assert steps_to_the_end(env, 310)[0] == 0
    env.close()


def test_a_specification_makes_the_same_environment_again():
    env = gym.make(ID, max_episode_steps=6)
    assert env.spec is not None
    again = gym.make(env.spec)
    again.reset(seed=0)
    assert steps_to_the_end(again)[0] == 6
    env.close()
    again.close()


class LongLift(Lift):
    """Lift whose ids leave the limit to the class."""

    name = "long_lift"
    horizon = 12


@pytest.fixture
def long_lift() -> Iterator[str]:
    teamvla_envs.register_task("long_lift", LongLift)
    yield "TeamVLA/LongLift-v0"
    teamvla_envs.deregister_task("long_lift")


@pytest.mark.parametrize("limit", [None, 5, 20])
def test_a_task_whose_id_has_no_limit_is_truncated_by_its_class_or_by_the_user(long_lift: str, limit: int | None):
    env = gym.make(long_lift, max_episode_steps=limit)
    env.reset(seed=0)
    assert steps_to_the_end(env)[0] == (limit or 12)
    env.close()


def test_every_view_gives_the_same_reason():
    vector = gym.make_vec(ID, num_envs=1, max_episode_steps=3)
    parallel = pettingzoo.make("parallel", ID, max_cycles=3)
    vector.reset(seed=0)
    parallel.reset(seed=0)
    for _ in range(3):
        info = vector.step(STILL[None])[4]
        infos = parallel.step({"arm_0": STILL[:8], "arm_1": STILL[8:]})[4]
    assert info["end_reason"][0] == infos["arm_0"]["end_reason"] == "time_limit"
    assert "time_limit" in END_REASONS
    vector.close()
    parallel.close()


@pytest.mark.parametrize(("limit", "step"), [(600, 400), (300, 250), (40, 30)])
def test_a_lost_object_costs_the_steps_that_are_left_of_the_limit_in_force(limit: int, step: int):
    env = TeamVectorEnv("lift", 1, num_threads=1, max_episode_steps=limit)
    env.reset(seed=0)
    state = env.get_state()
    state["steps"][:] = step - 1
    env.set_state(state)
    env.push(0, "bar", [0.0, -30.0, 0.0])
    while True:
        _, reward, terminated, _, info = env.step(STILL[None])
        if terminated[0]:
            break
    assert info["end_reason"][0] == "object_left_table"
    left = limit - int(env.steps[0])
    assert left > 0
    assert -left - 1 <= reward[0] <= -left
    env.close()
