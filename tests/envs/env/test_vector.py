"""The vector environment: registration, spaces, observations and errors."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
import teamvla_envs
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.parallel import TeamParallelEnv
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import environment_id, get_task

MakeLift = Callable[..., TeamVectorEnv]


def assert_same_state(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Two states are equal bit for bit."""
    assert set(first) == set(second)
    for key, value in first.items():
        assert_array_equal(second[key], value, err_msg=key, strict=True)


@pytest.mark.parametrize("task", teamvla_envs.registered_tasks())
def test_every_task_has_an_id_in_both_registries(task: str):
    name = environment_id(task)
    assert gym.spec(name).kwargs == {"task": task, "env_id": name}
    assert get_task(task).name == task
    env = pettingzoo.make("parallel", name).unwrapped
    assert isinstance(env, TeamParallelEnv)
    assert env.vector.task_name == task
    env.close()


def test_make_vec_gives_the_native_environment():
    env = gym.make_vec("TeamVLA/Lift-v0", num_envs=5, num_threads=1)
    assert isinstance(env, TeamVectorEnv)
    assert env.num_envs == 5
    assert env.max_episode_steps == 300
    env.close()


def test_make_vec_passes_arguments_on():
    env = gym.make_vec("TeamVLA/Lift-v0", num_envs=2, max_episode_steps=7, action_mode="ee_delta")
    assert isinstance(env, TeamVectorEnv)
    assert env.max_episode_steps == 7
    assert env.single_action_space.shape == (14,)
    env.close()


def test_the_package_offers_the_same_environment_under_its_task_name():
    env = teamvla_envs.vector_env("lift", 3)
    assert isinstance(env, TeamVectorEnv)
    assert env.num_envs == 3
    env.close()


def test_observations_rewards_and_ends_have_one_row_per_world(make_lift: MakeLift):
    env = make_lift(3)
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    assert env.observation_space.contains(obs)
    for array, dtype in ((reward, np.float64), (terminated, bool), (truncated, bool)):
        assert array.shape == (3,)
        assert array.dtype == dtype


def test_the_named_parts_add_up_to_the_observation(make_lift: MakeLift):
    env = make_lift(2)
    obs, _ = env.reset(seed=0)
    assert sum(size for _, size in env.environment_state_parts) == obs.shape[1]
    assert sum(size for _, size in env.agent_pos_parts) * env.num_arms == env.agent_pos().shape[1]


@pytest.mark.parametrize(
    "part", ["arm_0/joint_pos", "arm_1/tool_pos", "arm_1/gripper_opening", "object_pos", "goal_pos", "goal"]
)
def test_a_named_part_is_where_the_list_says(make_lift: MakeLift, part: str):
    env = make_lift(2)
    obs, _ = env.reset(seed=0)
    names = [name for name, _ in env.environment_state_parts]
    ends = np.cumsum([size for _, size in env.environment_state_parts])
    found = np.split(obs, ends[:-1], axis=1)[names.index(part)]
    state, world = env.get_state(), env.world
    expected = {
        "arm_0/joint_pos": world.joint_pos[:, 0],
        "arm_1/tool_pos": world.tool_pos[:, 1],
        "arm_1/gripper_opening": world.gripper_opening[:, 1:],
        "object_pos": world.body_pos[:, 0],
        "goal_pos": state["episode.goal_pos"],
        "goal": np.eye(3)[state["episode.goal"]],
    }[part]
    assert_allclose(found, expected, atol=1e-6)


def test_info_tells_task_goal_sentence_phase_and_success_of_every_world(make_lift: MakeLift):
    env = make_lift(3)
    _, info = env.reset(seed=0)
    assert info["task"].tolist() == ["lift"] * 3
    assert info["goal"].tolist() == env.goal_names
    assert info["task_description"].tolist() == env.instructions
    assert info["phase"].dtype == np.int64
    assert not info["is_success"].any()
    for key in ("task", "goal", "task_description", "phase", "is_success"):
        assert info[f"_{key}"].all()
    _, _, _, _, after = env.step(env.action_space.sample())
    assert set(after) == set(info)


def test_the_keyword_arguments_rebuild_the_environment(make_lift: MakeLift):
    import json

    env = make_lift(2, action_mode="ee_delta", split="unseen", max_episode_steps=50)
    kwargs = json.loads(json.dumps(env.env_kwargs))
    twin = TeamVectorEnv(num_envs=2, **kwargs)
    assert_array_equal(twin.reset(seed=4)[0], env.reset(seed=4)[0])
    assert twin.env_kwargs == env.env_kwargs
    twin.close()


def test_a_vision_observation_has_pixels_proprioception_and_the_sentence(make_lift: MakeLift):
    env = make_lift(2, obs_mode="vision+state", image_size=32, num_threads=1)
    obs, _ = env.reset(seed=0)
    assert list(obs["pixels"]) == ["front", "wrist_0", "wrist_1"]
    for image in obs["pixels"].values():
        assert image.shape == (2, 32, 32, 3)
        assert image.dtype == np.uint8
    assert obs["agent_pos"].shape == (2, 50)
    assert obs["instruction"] == tuple(env.instructions)
    assert_array_equal(obs["environment_state"], env.environment_state())
    assert env.observation_space.contains(obs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task": "juggle"}, "task: got 'juggle', allowed are 'lift'"),
        ({"robot": "spot"}, r"robot.*'spot'.*'panda'"),
        ({"robot": ["panda"]}, "robot: got 1 names for 2 arms"),
        ({"num_arms": 9}, "num_arms: got 9, allowed are"),
        ({"obs_mode": "pixels"}, "obs_mode: got 'pixels', allowed are 'state', 'vision', 'vision.state'"),
        ({"action_mode": "torque"}, "action_mode: got 'torque', allowed are 'joint_delta', 'joint_pos', 'ee_delta'"),
        ({"reward_mode": "shaped"}, "reward_mode: got 'shaped', allowed are 'dense', 'sparse'"),
        ({"device": "tpu"}, "device: got 'tpu', allowed are 'cpu'"),
        ({"cameras": ["front", "side"]}, "cameras: got 'side', allowed are 'front', 'overhead', 'wrist_0', 'wrist_1'"),
        ({"image_size": 5}, "image_size: got 5, allowed are 16 to 1080"),
        ({"randomization": "wild"}, "randomization: got 'wild', allowed are 'none', 'default'"),
        ({"split": "test"}, "split: got 'test', allowed are 'train', 'unseen'"),
        ({"instruction_for": "arm_7"}, "instruction_for: got 'arm_7', allowed are 'all', 'arm_0', 'arm_1'"),
        ({"render_mode": "human"}, "render_mode: got 'human', allowed are None, 'rgb_array'"),
        ({"num_envs": 0}, "num_envs: got 0"),
        ({"max_episode_steps": 0}, "max_episode_steps: got 0"),
        ({"max_episode_steps": -1}, "max_episode_steps: got -1"),
    ],
)  # fmt: skip
def test_an_unknown_argument_is_told_the_allowed_ones(kwargs: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        TeamVectorEnv(kwargs.pop("task", "lift"), **kwargs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_traced_to_arm_and_index(make_lift: MakeLift, value: float):
    env = make_lift(2)
    env.reset(seed=0)
    actions = np.zeros((2, 16), np.float32)
    actions[1, 8 + 3] = value
    with pytest.raises(ValueError, match=r"action for arm_1 has a non-finite value .* at index 3 \(world 1\)"):
        env.step(actions)


def test_a_refused_action_changes_nothing(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ValueError, match="non-finite"):
        env.step(np.full((2, 16), np.nan))
    assert_same_state(env.get_state(), before)


def test_an_action_of_the_wrong_shape_is_told_the_right_one(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action has shape \(2, 8\), expected \(2, 16\): for each of 2 arms"):
        env.step(np.zeros((2, 8)))


def test_actions_beyond_the_box_are_clipped(make_lift: MakeLift):
    env, other = make_lift(1), make_lift(1)
    env.reset(seed=0)
    other.reset(seed=0)
    env.step(np.full((1, 16), 30.0))
    other.step(np.ones((1, 16)))
    assert_array_equal(env.get_state()["physics"], other.get_state()["physics"])


@pytest.mark.parametrize("call", ["step", "expert_actions", "get_state"])
def test_using_an_environment_before_the_first_reset_is_a_clear_error(make_lift: MakeLift, call: str):
    env = make_lift(1)
    with pytest.raises(RuntimeError, match=r"reset"):
        env.step(np.zeros((1, 16))) if call == "step" else getattr(env, call)()


@pytest.mark.parametrize("call", ["reset", "step", "get_state", "render_frames"])
def test_using_a_closed_environment_is_a_clear_error(make_lift: MakeLift, call: str):
    env = make_lift(1)
    env.reset(seed=0)
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.step(np.zeros((1, 16))) if call == "step" else getattr(env, call)()


def test_closing_twice_is_fine(make_lift: MakeLift):
    env = make_lift(1)
    env.close()
    env.close()


@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4]])
def test_a_list_of_seeds_needs_one_per_world(make_lift: MakeLift, seed: list[int]):
    with pytest.raises(ValueError, match=rf"seed: got {len(seed)} numbers for 3 worlds"):
        make_lift(3).reset(seed=seed)
