"""Contracts of every task, for all teams, observation modes and action modes: public checkers, and exact states."""

import itertools
import json
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from gymnasium.utils.env_checker import check_env
from numpy.testing import assert_array_equal
from pettingzoo.test import parallel_api_test, parallel_seed_test
from teamvla_envs.control.actions import ACTION_MODES
from teamvla_envs.env.observations import OBS_MODES
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import BUILT_IN, environment_id

TEAMS = [(task, arms) for task in BUILT_IN for arms in teamvla_envs.get_task(task).arm_counts]
MODES = list(itertools.product(OBS_MODES, ACTION_MODES))
ALL = [(task, arms, *modes) for (task, arms) in TEAMS for modes in MODES]
# Every team and every pair of modes once; the slow test has all of them.
SOME = [(*TEAMS[i % len(TEAMS)], *modes) for i, modes in enumerate(MODES)]


def check_all(task: str, arms: int, obs_mode: str, action_mode: str) -> None:
    """Run every public checker on the views of one environment."""
    kwargs: dict[str, Any] = {
        "num_arms": arms, "obs_mode": obs_mode, "action_mode": action_mode, "image_size": 16, "num_threads": 1,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gym.make(environment_id(task), **kwargs)
        check_env(env.unwrapped, skip_render_check=True)
        if obs_mode == "state" and find_spec("stable_baselines3"):  # missing among the lowest versions
            from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines

            check_for_stable_baselines(env.unwrapped)
        env.close()
        parallel = teamvla_envs.parallel_env(task, **kwargs)
        parallel_api_test(parallel, num_cycles=3)
        parallel.close()
        if obs_mode == "state":
            parallel_seed_test(lambda: teamvla_envs.parallel_env(task, **kwargs), num_cycles=3)


@pytest.mark.parametrize(("task", "arms", "obs_mode", "action_mode"), SOME)
def test_public_checkers_find_no_fault(task: str, arms: int, obs_mode: str, action_mode: str):
    check_all(task, arms, obs_mode, action_mode)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "arms", "obs_mode", "action_mode"), ALL)
def test_public_checkers_find_no_fault_in_any_combination(task: str, arms: int, obs_mode: str, action_mode: str):
    check_all(task, arms, obs_mode, action_mode)


def continuation(env: TeamVectorEnv, actions: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The state after some actions, and the rewards on the way."""
    rewards = [env.step(action)[1] for action in actions]
    return env.get_state(), np.array(rewards)


def restore_and_compare(task: str, points: int, steps: int, **kwargs: Any) -> None:
    """Save at random times of an episode with random and expert actions, restore elsewhere, and compare bit for bit."""
    rng = np.random.default_rng(0)
    one, other = (TeamVectorEnv(task, points, num_threads=threads, **kwargs) for threads in (1, 2))
    one.reset(seed=0)
    other.reset(seed=1000)
    saved: dict[str, np.ndarray] = {}
    when = rng.integers(0, 150, points)
    for step in range(150):
        state = one.get_state()
        for key, values in state.items():
            saved.setdefault(key, values.copy())[when == step] = values[when == step]
        actions = one.expert_actions() + rng.normal(0, 0.1, one.action_space.shape)
        one.step(actions.clip(-1, 1))
    future = rng.uniform(-1, 1, (steps, points, one.num_arms * one.action_size))
    one.set_state(saved)
    other.set_state(saved)
    first, second = continuation(one, future), continuation(other, future)
    assert_array_equal(first[1], second[1])
    assert set(first[0]) == set(second[0])
    for key, values in first[0].items():
        assert_array_equal(values, second[0][key], err_msg=key, strict=True)
    one.close()
    other.close()


@pytest.mark.parametrize(("task", "arms"), TEAMS)
def test_a_restored_state_continues_bit_for_bit(task: str, arms: int):
    restore_and_compare(task, points=6, steps=15, num_arms=arms)


@pytest.mark.slow
@pytest.mark.parametrize("randomization", ["default", "hard"])
@pytest.mark.parametrize("task", BUILT_IN)
def test_two_hundred_restored_states_continue_bit_for_bit(task: str, randomization: str):
    restore_and_compare(task, points=200, steps=50, randomization=randomization)


@pytest.mark.parametrize("task", BUILT_IN)
def test_a_state_saved_to_disk_continues_in_another_process(task: str, tmp_path: Path, run_python: Callable[..., str]):
    env = TeamVectorEnv(task, 3, num_threads=1, randomization="hard")
    env.reset(seed=2)
    for _ in range(30):
        env.step(env.expert_actions())
    state: dict[str, Any] = dict(env.get_state())
    np.savez(tmp_path / "state.npz", **state)
    _, rewards = continuation(env, np.zeros((10, 3, env.num_arms * env.action_size)))
    physics = env.get_state()["physics"]
    env.close()
    output = run_python(
        f"""
import hashlib, json, numpy as np
from teamvla_envs.env.vector import TeamVectorEnv
env = TeamVectorEnv({task!r}, 3, num_threads=2, randomization="hard")
env.reset(seed=77)
with np.load({str(tmp_path / "state.npz")!r}, allow_pickle=False) as state:
    env.set_state(dict(state))
rewards = [env.step(np.zeros(env.action_space.shape))[1].tolist() for _ in range(10)]
print(json.dumps([env.get_state()["physics"].tolist(), rewards]))
"""
    )
    theirs = json.loads(output.splitlines()[-1])
    assert_array_equal(np.array(theirs[0]), physics)
    assert_array_equal(np.array(theirs[1]), rewards)
