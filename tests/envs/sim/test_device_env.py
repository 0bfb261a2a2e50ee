"""The environment with the device simulator: the same episodes and promises, as torch tensors."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
import torch
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.sim.device import MAX_CONSTRAINTS, MAX_CONTACTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TASKS = ("lift", "handoff", "drawer")


def make(task: str, num_envs: int, **kwargs: Any) -> TeamVectorEnv:
    arguments: dict[str, Any] = {"solver": "warp", "autoreset_mode": "Disabled", **kwargs}
    return TeamVectorEnv(task, num_envs, **arguments)


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_solves_it_closed_loop(task: str):
    env = make(task, 4)
    env.reset(seed=11)
    running = torch.ones(4, dtype=torch.bool)
    info: dict[str, Any] = {}
    simulator: Any = env.simulator
    data = simulator._data
    rows, contacts = 0, 0
    while running.any():
        _, _, terminated, truncated, info = env.step(env.expert_actions())
        running = ~(terminated | truncated)
        rows, contacts = max(rows, data.nefc.numpy().max()), max(contacts, data.nacon.numpy()[0])
    assert rows < MAX_CONSTRAINTS / 2
    assert contacts < 4 * MAX_CONTACTS / 2
    assert info["end_reason"].tolist() == ["success"] * 4
    assert info["is_success"].all()
    env.close()


@pytest.mark.parametrize("level", ["default", "hard"])
@pytest.mark.parametrize("task", TASKS)
def test_a_seed_tells_the_same_episode_as_on_the_host(task: str, level: str):
    host = TeamVectorEnv(task, 3, randomization=level, num_threads=1)
    device = make(task, 3, randomization=level)
    expected, told = host.reset(seed=5)
    found, info = device.reset(seed=5)
    assert_allclose(found, expected, atol=1e-5)
    for key in ("task_description", "goal", "phase"):
        assert_array_equal(info[key], told[key])
    assert_allclose(device.expert_actions(), host.expert_actions(), atol=1e-4)
    for _ in range(3):  # late actions and noise included
        action = host.expert_actions()
        expected, reward, _, _, _ = host.step(action)
        found, earned, _, _, _ = device.step(action)
        assert_allclose(found, expected, atol=2e-3)
        assert_allclose(earned, reward, atol=1e-3)
    host.close()
    device.close()


@pytest.mark.parametrize("obs_mode", ["state", "vision+state"])
def test_numbers_are_tensors_on_the_device_and_spaces_are_those_of_the_host(obs_mode: str):
    env = make("lift", 2, obs_mode=obs_mode)
    host = TeamVectorEnv("lift", 2, obs_mode=obs_mode, num_threads=1)
    assert env.observation_space == host.observation_space
    assert env.action_space == host.action_space
    env.reset(seed=0)
    obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
    numbers = [reward, terminated, truncated, info["is_success"], info["phase"], env.expert_actions()]
    numbers += [obs] if obs_mode == "state" else [obs["agent_pos"], obs["environment_state"], *obs["pixels"].values()]
    assert all(isinstance(value, torch.Tensor) and value.device == env.world.tool_pos.device for value in numbers)
    assert reward.dtype == torch.float32
    assert terminated.dtype == truncated.dtype == info["is_success"].dtype == torch.bool
    if obs_mode != "state":
        assert obs["pixels"]["front"].shape == (2, 64, 64, 3)
        assert obs["pixels"]["front"].dtype == torch.uint8
    env.close()
    host.close()


def test_sparse_rewards_are_tensors_of_single_precision():
    env = make("lift", 2, reward_mode="sparse")
    env.reset(seed=0)
    _, reward, _, _, _ = env.step(torch.zeros(2, 16))
    assert reward.dtype == torch.float32
    env.close()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_ended_worlds_begin_again(mode: AutoresetMode):
    env = make("lift", 2, autoreset_mode=mode, max_episode_steps=3)
    env.reset(seed=0)
    still = torch.zeros(2, 16)
    for _ in range(3):
        obs, _, _, truncated, info = env.step(still)
    assert truncated.all()
    sentences = info["task_description"].tolist()
    if mode == AutoresetMode.SAME_STEP:
        assert info["_final_obs"].all()
        assert not torch.equal(info["final_obs"][0], obs[0])
    _, reward, _, truncated, info = env.step(still)
    assert not truncated.any()
    if mode == AutoresetMode.NEXT_STEP:
        assert_array_equal(reward, [0.0, 0.0])
        assert info["task_description"].tolist() != sentences
    env.close()


def test_a_masked_reset_leaves_the_others_alone():
    env, alone = make("lift", 3), make("lift", 3)
    for one in (env, alone):
        one.reset(seed=0)
        one.step(one.expert_actions())
    env.reset(seed=7, options={"reset_mask": np.array([False, True, False])})
    for _ in range(3):
        obs, _, _, _, _ = env.step(env.expert_actions())
        expected, _, _, _, _ = alone.step(alone.expert_actions())
    assert_array_equal(obs[[0, 2]], expected[[0, 2]])
    assert not torch.equal(obs[1], expected[1])
    env.close()
    alone.close()


def test_a_saved_state_goes_on_as_before_and_crosses_over_to_the_host():
    env = make("handoff", 2, randomization="hard")
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.expert_actions())
    state = env.get_state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    first = [env.step(env.expert_actions())[0] for _ in range(5)]
    obs, _ = env.set_state(state)
    again = [env.step(env.expert_actions())[0] for _ in range(5)]
    for before, after in zip(first, again, strict=True):
        assert_array_equal(after, before)
    host = TeamVectorEnv("handoff", 2, randomization="hard", num_threads=1)
    host.reset(seed=1)
    expected, _ = host.set_state(state)
    assert_allclose(obs, expected, atol=1e-5)
    env.close()
    host.close()


def test_actions_may_be_numpy_or_tensors_and_wrong_ones_are_named():
    env = make("lift", 2)
    env.reset(seed=0)
    action = env.expert_actions()
    state = env.get_state()
    obs, *_ = env.step(action)
    env.set_state(state)
    again, *_ = env.step(action.numpy())
    assert_array_equal(again, obs)
    action[1, 9] = torch.nan
    with pytest.raises(ValueError, match=r"action for arm_1 has a non-finite value nan at index 1 \(world 1\)"):
        env.step(action)
    with pytest.raises(ValueError, match=r"action has shape \(2, 15\), expected \(2, 16\)"):
        env.step(torch.zeros(2, 15))
    env.close()


def test_single_and_parallel_views_speak_numpy():
    env = gym.make("TeamVLA/Lift-v0", solver="warp", obs_mode="vision")
    obs, _ = env.reset(seed=1)
    assert env.observation_space.contains(obs)
    view: Any = env.unwrapped
    obs, reward, terminated, _, info = env.step(view.expert_action())
    assert env.observation_space.contains(obs)
    assert (type(reward), type(terminated), type(info["is_success"])) == (float, bool, bool)
    env.close()
    team = teamvla_envs.parallel_env("handoff", solver="warp")
    team.reset(seed=1)
    views, rewards, *_ = team.step(team.expert_actions())
    assert all(team.observation_space(agent).contains(view) for agent, view in views.items())
    assert isinstance(rewards["arm_0"], float)
    team.close()


@pytest.mark.parametrize("level", ["default", "hard"])
def test_an_unstable_world_ends_and_the_others_are_undisturbed(level: str):
    env, undisturbed = make("lift", 3, randomization=level), make("lift", 3, randomization=level)
    generator = np.random.default_rng(0)
    for each in (env, undisturbed):
        each.reset(seed=0)
    for step in range(4):
        if step == 1:
            env.push(1, "bar", [1e12, 0, 0])
        action = generator.uniform(-1, 1, env.action_space.shape)
        found, expected = env.step(action), undisturbed.step(action)
        for ours, theirs in zip(found[:4], expected[:4], strict=True):
            assert torch.isfinite(ours).all()
            assert_array_equal(ours[[0, 2]], theirs[[0, 2]])
        for key, values in undisturbed.get_state().items():
            assert np.isfinite(env.get_state()[key]).all(), key
            assert_array_equal(env.get_state()[key][[0, 2]], values[[0, 2]], err_msg=key)
        assert found[4]["end_reason"].tolist() == ["", "unstable" if step else "", ""]
    fresh = make("lift", 3, randomization=level)
    found, _ = env.reset(seed=[0, 9, 0], options={"reset_mask": np.array([False, True, False])})
    expected, _ = fresh.reset(seed=[0, 9, 0])
    assert_array_equal(found[1], expected[1])
    assert_array_equal(env.step(action)[0][1], fresh.step(action)[0][1])


def test_every_push_leaves_finite_numbers():
    env = make("lift", 2)
    env.reset(seed=0)
    for impulse in (1e9, 1e30, 1e300):
        env.push(1, "bar", [impulse, 0, 0])
        assert all(torch.isfinite(values).all() for values in env.signals.values())
        assert torch.isfinite(env.environment_state()).all()
    env.set_state(env.get_state())


def test_a_refused_state_changes_nothing():
    env = make("lift", 2)
    env.reset(seed=0)
    before = env.get_state()
    bad = env.get_state()
    bad["episode.goal"][1] = 7
    bad["physics"][0] += 0.1
    with pytest.raises(ValueError, match=r"episode.goal.*of world 1"):
        env.set_state(bad)
    for key, values in env.get_state().items():
        assert_array_equal(values, before[key], err_msg=key)
