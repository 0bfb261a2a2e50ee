"""The three autoreset modes, and the info of episodes that have ended."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]


def random_actions(env: TeamVectorEnv, steps: int) -> np.ndarray:
    """Actions for all worlds, those of world i alike for any number of worlds; shape ``(steps, N, A * D)``."""
    size = env.num_arms * env.action_size
    rows = [np.random.default_rng(i).uniform(-1, 1, (steps, size)) for i in range(env.num_envs)]
    return np.stack(rows, axis=1).astype(np.float32)


def test_next_step_resets_a_finished_world_at_the_following_step(make_lift: MakeLift):
    env = make_lift(2, max_episode_steps=3)
    env.reset(seed=0)
    actions = random_actions(env, 5)
    for step in range(2):
        _, _, _, truncated, _ = env.step(actions[step])
        assert not truncated.any()
    last, _, terminated, truncated, _ = env.step(actions[2])
    assert truncated.all()
    assert not terminated.any()
    fresh, reward, terminated, truncated, _ = env.step(actions[3])
    assert_array_equal(reward, 0.0)
    assert not (terminated | truncated).any()
    assert_array_equal(env.get_state()["steps"], 0)
    assert (fresh != last).any(axis=1).all()
    twin = make_lift(2)
    twin.reset(seed=0)
    assert_array_equal(twin.reset()[0], fresh)


def test_next_step_lets_the_other_worlds_go_on(make_lift: MakeLift):
    env, alone = make_lift(2, max_episode_steps=6), make_lift(1, max_episode_steps=6)
    env.reset(seed=0)
    alone.reset(seed=1)
    actions = random_actions(env, 6)
    state = env.get_state()
    state["steps"][0] = 3  # world 0 ends early
    env.set_state(state)
    for step in range(6):
        obs, reward, _, truncated, _ = env.step(actions[step])
        expected, expected_reward, _, _, _ = alone.step(actions[step, 1:])
        assert_allclose(obs[1], expected[0], atol=1e-6)
        assert_allclose(reward[1], expected_reward[0], atol=1e-6)
    assert truncated[1]


def test_same_step_returns_the_new_observation_and_keeps_the_last_one(make_lift: MakeLift):
    env = make_lift(2, max_episode_steps=3, autoreset_mode=AutoresetMode.SAME_STEP)
    plain = make_lift(2, max_episode_steps=3)
    env.reset(seed=0)
    plain.reset(seed=0)
    actions = random_actions(env, 3)
    for step in range(3):
        obs, reward, _, truncated, info = env.step(actions[step])
        last, last_reward, _, _, last_info = plain.step(actions[step])
    assert truncated.all()
    assert_array_equal(reward, last_reward)
    assert_array_equal(np.stack(info["final_obs"]), last)
    assert info["_final_obs"].all()
    assert info["final_info"]["task_description"].tolist() == last_info["task_description"].tolist()
    fresh, _, _, _, fresh_info = plain.step(actions[2])
    assert_array_equal(obs, fresh)
    assert info["task_description"].tolist() == fresh_info["task_description"].tolist()


def test_same_step_marks_only_the_worlds_that_ended(make_lift: MakeLift):
    env = make_lift(3, max_episode_steps=4, autoreset_mode="SameStep")
    env.reset(seed=0)
    state = env.get_state()
    state["steps"][1] = 3
    env.set_state(state)
    _, _, _, truncated, info = env.step(random_actions(env, 1)[0])
    assert_array_equal(truncated, [False, True, False])
    assert_array_equal(info["_final_obs"], truncated)
    assert info["final_obs"][0] is None
    assert info["final_obs"][1].shape == env.single_observation_space.shape
    assert_array_equal(env.get_state()["steps"], [1, 0, 1])


def test_disabled_lets_a_finished_world_rest(make_lift: MakeLift):
    env = make_lift(2, max_episode_steps=3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    actions = random_actions(env, 5)
    for step in range(3):
        last, *_ = env.step(actions[step])
    physics = env.get_state()["physics"]
    obs, reward, _, truncated, _ = env.step(actions[3])
    assert truncated.all()
    assert_array_equal(obs, last)
    assert_array_equal(reward, 0.0)
    assert_array_equal(env.get_state()["physics"], physics)


def test_disabled_resets_the_masked_worlds_only(make_lift: MakeLift):
    env = make_lift(3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    for actions in random_actions(env, 4):
        last, *_ = env.step(actions)
    mask = np.array([False, True, False])
    obs, _ = env.reset(seed=[99, 50, 99], options={"reset_mask": mask})
    assert_array_equal(obs[~mask], last[~mask])
    assert_array_equal(obs[1], make_lift(1).reset(seed=50)[0][0])
    assert_array_equal(env.seeds, [0, 50, 2])
    assert_array_equal(env.get_state()["steps"], [4, 0, 4])


@pytest.mark.parametrize(
    "mask", [np.array([True]), np.array([1, 0, 0]), [[True, False, False]]], ids=["short", "numbers", "two-dimensional"]
)
def test_a_reset_mask_of_the_wrong_kind_is_told_the_right_one(make_lift: MakeLift, mask: Any):
    env = make_lift(3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"reset_mask.*expected bool \(3,\)"):
        env.reset(options={"reset_mask": mask})


def test_the_first_reset_must_be_of_all_worlds(make_lift: MakeLift):
    with pytest.raises(ValueError, match="the first reset must reset all worlds"):
        make_lift(2).reset(seed=0, options={"reset_mask": np.array([True, False])})


def test_success_terminates_and_does_not_truncate(make_lift: MakeLift):
    env = make_lift(4, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    ended = np.zeros(4, bool)
    while not ended.all():
        _, _, terminated, truncated, info = env.step(env.expert_actions())
        assert_array_equal(info["is_success"], terminated)
        assert not truncated.any()
        ended |= terminated


def test_is_success_of_an_episode_that_ended_in_same_step_mode_is_in_its_final_info(make_lift: MakeLift):
    env = make_lift(1, autoreset_mode=AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    terminated = np.array([False])
    while not terminated[0]:
        _, _, terminated, _, info = env.step(env.expert_actions())
    assert info["final_info"]["is_success"][0]
    assert not info["is_success"][0]
