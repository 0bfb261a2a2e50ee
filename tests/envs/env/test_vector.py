"""The vector environment: seeds, worlds, autoreset, states and errors."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
import teamvla_envs
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.control.actions import ACTION_MODES
from teamvla_envs.env.parallel import TeamParallelEnv
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import environment_id, get_task

MakeLift = Callable[..., TeamVectorEnv]


def random_actions(env: TeamVectorEnv, steps: int) -> np.ndarray:
    """Actions for all worlds, those of world i alike for any number of worlds; shape ``(steps, N, A * D)``."""
    size = env.num_arms * env.action_size
    rows = [np.random.default_rng(i).uniform(-1, 1, (steps, size)) for i in range(env.num_envs)]
    return np.stack(rows, axis=1).astype(np.float32)


def assert_same_state(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Two states are equal bit for bit."""
    assert set(first) == set(second)
    for key, value in first.items():
        assert_array_equal(second[key], value, err_msg=key, strict=True)


# -- shapes and spaces ---------------------------------------------------------------------------------------------


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


# -- seeds ---------------------------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_episodes(make_lift: MakeLift):
    env = make_lift(4)
    runs = []
    for _ in range(2):
        obs, _ = env.reset(seed=7)
        trace = [obs]
        for actions in random_actions(env, 15):
            obs, reward, *_ = env.step(actions)
            trace += [obs, reward]
        runs.append((trace, env.get_state(), env.instructions))
    for first, second in zip(runs[0][0], runs[1][0], strict=True):
        assert_array_equal(second, first)
    assert_same_state(runs[0][1], runs[1][1])
    assert runs[0][2] == runs[1][2]


def test_different_seeds_give_different_episodes(make_lift: MakeLift):
    obs, _ = make_lift(20).reset(seed=0)
    assert len(np.unique(obs, axis=0)) == 20


def test_one_seed_counts_up_over_the_worlds(make_lift: MakeLift):
    env, other = make_lift(3), make_lift(3)
    obs, _ = env.reset(seed=10)
    assert_array_equal(env.seeds, [10, 11, 12])
    assert_array_equal(other.reset(seed=[12, 10, 11])[0], obs[[2, 0, 1]])


def test_without_a_seed_a_world_goes_on_with_its_own_generator(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(2)
    first, _ = env.reset(seed=5)
    second, _ = env.reset()
    assert_array_equal(env.seeds, [-1, -1])
    assert (first != second).any(axis=1).all()
    other.reset(seed=5)
    assert_array_equal(other.reset()[0], second)


def test_unseeded_environments_differ(make_lift: MakeLift):
    assert (make_lift(1).reset()[0] != make_lift(1).reset()[0]).any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("num_envs", [1, 3, 8])
def test_world_i_equals_the_single_environment_with_seed_s_plus_i(make_lift: MakeLift, num_envs: int, threads: int):
    env = make_lift(num_envs, num_threads=threads)
    obs, _ = env.reset(seed=100)
    trace = [obs]
    actions = random_actions(env, 25)
    actions[..., 7::8] = -1.0
    rewards = []
    for action in actions:
        obs, reward, *_ = env.step(action)
        trace.append(obs)
        rewards.append(reward)
    for world in {0, num_envs // 2, num_envs - 1}:
        made = gym.make("TeamVLA/Lift-v0", num_threads=1)
        single = made.unwrapped
        assert isinstance(single, TeamEnv)
        obs, _ = made.reset(seed=100 + world)
        assert_allclose(obs, trace[0][world], atol=1e-6)
        for step in range(25):
            obs, single_reward, *_ = made.step(actions[step, world])
            assert_allclose(obs, trace[step + 1][world], atol=1e-6)
            assert single_reward == pytest.approx(rewards[step][world], abs=1e-6)
        assert_array_equal(single.get_state()["physics"][0], env.get_state()["physics"][world])
        made.close()


@pytest.mark.parametrize("action_mode", ACTION_MODES)
def test_physics_of_a_whole_episode_does_not_depend_on_the_number_of_worlds(make_lift: MakeLift, action_mode: str):
    many, one = make_lift(8, action_mode=action_mode, num_threads=2), make_lift(1, action_mode=action_mode)
    many.reset(seed=0)
    one.reset(seed=5)
    for _ in range(60):  # grasp and lift
        actions = many.expert_actions()
        many.step(actions)
        one.step(actions[5:6])
        assert_array_equal(one.get_state()["physics"][0], many.get_state()["physics"][5])


HASH_AN_EPISODE = """
import hashlib, numpy as np
from teamvla_envs.env.vector import TeamVectorEnv
env = TeamVectorEnv("lift", {num_envs}, num_threads={threads})
env.reset(seed=3)
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for _ in range(30):
    env.step(np.repeat(rng.uniform(-1, 1, (1, 16)), {num_envs}, axis=0))
    state = env.get_state()
    for key in sorted(state):
        digest.update(state[key][:2].tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def hash_here(run_python: Callable[..., str]) -> str:
    return run_python(HASH_AN_EPISODE.format(num_envs=2, threads=1))


@pytest.mark.parametrize(("num_envs", "threads"), [(2, 2), (5, 1)])
def test_a_new_process_repeats_an_episode_bit_for_bit(
    hash_here: str, run_python: Callable[..., str], num_envs: int, threads: int
):
    assert run_python(HASH_AN_EPISODE.format(num_envs=num_envs, threads=threads)) == hash_here


# -- the end of an episode -----------------------------------------------------------------------------------------


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


# -- states --------------------------------------------------------------------------------------------------------


def advance(env: TeamVectorEnv, steps: int) -> np.ndarray:
    """Observations and rewards of the expert's next steps."""
    trace = []
    for _ in range(steps):
        obs, reward, *_ = env.step(env.expert_actions())
        trace.append(np.concatenate([obs, reward[:, None]], axis=1))
    return np.array(trace)


def test_a_state_continues_bit_for_bit(make_lift: MakeLift):
    env, other = make_lift(3), make_lift(3, num_threads=1)
    env.reset(seed=0)
    advance(env, 40)
    state = env.get_state()
    expected = advance(env, 80)  # beyond success, into the next episodes
    other.set_state(state)
    assert_array_equal(advance(other, 80), expected)
    assert_same_state(other.get_state(), env.get_state())


def test_a_state_continues_from_disk(make_lift: MakeLift, tmp_path: Path):
    env, other = make_lift(2), make_lift(2)
    env.reset(seed=0)
    advance(env, 40)
    np.savez(tmp_path / "state.npz", allow_pickle=False, **env.get_state())
    expected = advance(env, 20)
    with np.load(tmp_path / "state.npz") as state:
        other.set_state(state)
    assert_array_equal(advance(other, 20), expected)


def test_set_state_returns_what_was_observed_then(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(2)
    obs, info = env.reset(seed=0)
    then, info_then = other.set_state(env.get_state())
    assert_array_equal(then, obs)
    assert info_then["task_description"].tolist() == info["task_description"].tolist()
    assert_array_equal(other.seeds, [0, 1])


def test_a_state_holds_numbers_with_one_row_per_world(make_lift: MakeLift):
    env = make_lift(3)
    env.reset(seed=0)
    for key, value in env.get_state().items():
        assert value.shape[0] == 3, key
        assert value.dtype.kind in "fiub", key


def test_a_state_is_a_copy(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=0)
    state = env.get_state()
    copy = {key: value.copy() for key, value in state.items()}
    advance(env, 3)
    assert_same_state(state, copy)


def test_a_mask_sets_some_worlds_and_leaves_the_others(make_lift: MakeLift):
    env = make_lift(3)
    env.reset(seed=0)
    start = env.get_state()
    advance(env, 10)
    later = env.get_state()
    env.set_state(start, mask=np.array([True, False, True]))
    mixed = env.get_state()
    for key in start:
        assert_array_equal(mixed[key][[0, 2]], start[key][[0, 2]], err_msg=key)
        assert_array_equal(mixed[key][1], later[key][1], err_msg=key)


def test_a_state_of_another_number_of_worlds_is_refused(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(3)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"got shape \(2.*expected \(3"):
        other.set_state(env.get_state())


def test_an_incomplete_state_is_told_what_is_missing(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=0)
    state = env.get_state()
    del state["held"]
    with pytest.raises(ValueError, match="held"):
        env.set_state(state)


# -- errors --------------------------------------------------------------------------------------------------------


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
