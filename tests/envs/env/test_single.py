"""One world as ``gymnasium.make`` gives it."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs  # noqa: F401  registers the ids
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit
from numpy.testing import assert_array_equal
from teamvla_envs.env.single import TeamEnv

ID = "TeamVLA/Lift-v0"
Make = Callable[..., gym.Env[Any, Any]]


def team(env: gym.Env[Any, Any]) -> TeamEnv:
    """The environment inside gymnasium's wrappers."""
    assert isinstance(env.unwrapped, TeamEnv)
    return env.unwrapped


@pytest.fixture
def make() -> Iterator[Make]:
    """``gymnasium.make`` of Lift; what it made is closed after the test."""
    made: list[gym.Env[Any, Any]] = []

    def make(**kwargs: Any) -> gym.Env[Any, Any]:
        made.append(gym.make(ID, **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


def test_the_id_makes_one_world(make: Make):
    env = make()
    assert isinstance(env.unwrapped, TeamEnv)
    obs, info = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    assert info["task"] == "lift"
    assert info["task_description"] == team(env).task_description
    assert info["is_success"] is False


def test_the_id_works_with_its_module_name():
    env = gym.make(f"teamvla_envs:{ID}")
    assert isinstance(env.unwrapped, TeamEnv)
    env.close()


@pytest.mark.parametrize("obs_mode", ["state", "vision", "vision+state"])
def test_gymnasium_finds_no_fault(make: Make, obs_mode: str):
    env = make(obs_mode=obs_mode, image_size=32, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unbounded observations are meant
        check_env(env.unwrapped, skip_render_check=obs_mode != "state")


def test_stable_baselines_finds_no_fault(make: Make):
    from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_for_stable_baselines(make())


def test_making_it_with_a_render_mode_warns_of_nothing(make: Make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(render_mode="rgb_array")


def test_render_gives_a_picture_of_480_pixels(make: Make):
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    assert frame.shape == (480, 480, 3)
    assert frame.dtype == np.uint8
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 1000


def test_without_a_render_mode_there_is_no_picture(make: Make):
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render"):
        assert env.render() is None


def test_make_adds_the_time_limit_of_the_task(make: Make):
    env = make()
    assert isinstance(env, TimeLimit)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 300
    assert team(env)._max_episode_steps == 300


def test_make_honors_another_time_limit(make: Make):
    env = make(max_episode_steps=4)
    env.reset(seed=0)
    ends = [env.step(np.zeros(16, np.float32))[2:4] for _ in range(4)]
    assert ends == [(False, False)] * 3 + [(False, True)]


@pytest.mark.parametrize(("limit", "steps"), [(3, 3), (None, 300)])
def test_made_directly_it_truncates_by_itself(limit: int | None, steps: int):
    env = TeamEnv("lift", max_episode_steps=limit)
    env.reset(seed=0)
    truncated = [env.step(np.zeros(16))[3] for _ in range(steps)]
    assert truncated == [False] * (steps - 1) + [True]
    env.close()


def test_made_by_gymnasium_it_leaves_the_limit_to_the_wrapper(make: Make):
    env = make(max_episode_steps=310)
    env.reset(seed=0)
    assert [env.step(np.zeros(16, np.float32))[3] for _ in range(310)] == [False] * 309 + [True]


def test_the_expert_succeeds_and_that_terminates_the_episode(make: Make):
    env = make(reward_mode="sparse")
    env.reset(seed=0)
    terminated = truncated = False
    total = 0.0
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = env.step(team(env).expert_action())
        total += float(reward)
    assert terminated
    assert info["is_success"] is True
    assert total == 1.0


def test_reward_and_ends_are_plain_python(make: Make):
    env = make()
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert type(reward) is float
    assert type(terminated) is bool
    assert type(truncated) is bool
    assert {key: type(value) for key, value in info.items()} == {
        "is_success": bool, "end_reason": str, "phase": int, "goal": str, "task": str, "task_description": str,
    }  # fmt: skip


def test_a_vision_observation_is_a_dict_with_one_sentence(make: Make):
    env = make(obs_mode="vision", image_size=(24, 32), cameras=("front",))
    obs, _ = env.reset(seed=0)
    assert obs["pixels"]["front"].shape == (24, 32, 3)
    assert obs["agent_pos"].shape == (50,)
    assert obs["instruction"] == team(env).task_description
    assert env.observation_space.contains(obs)


def test_a_state_continues_bit_for_bit():
    env, other = TeamEnv("lift"), TeamEnv("lift")
    env.reset(seed=0)
    for _ in range(10):
        env.step(env.expert_action())
    then, _ = other.set_state(env.get_state())
    action = env.expert_action()
    assert_array_equal(other.step(action)[0], env.step(action)[0])
    assert then.shape == env.observation_space.shape
    env.close()
    other.close()


def test_equal_seeds_give_equal_episodes_and_none_goes_on(make: Make):
    env = make()
    first, second, again = env.reset(seed=3)[0], env.reset()[0], env.reset(seed=3)[0]
    assert_array_equal(again, first)
    assert (second != first).any()


def test_lerobot_can_run_it_in_its_synchronous_vector_environment():
    env = gym.make_vec(ID, num_envs=2, vectorization_mode="sync", obs_mode="vision", image_size=16)
    assert isinstance(env, gym.vector.SyncVectorEnv)
    _, info = env.reset(seed=0)
    assert env.call("task") == ("lift", "lift")
    assert list(env.call("task_description")) == info["task_description"].tolist()
    assert env.call("_max_episode_steps") == (300, 300)
    _, _, _, _, info = env.step(env.action_space.sample())
    assert info["is_success"].dtype == bool
    env.close()


@pytest.mark.parametrize("shape", [(15,), (2, 8), (1, 16)])
def test_an_action_of_the_wrong_shape_is_told_the_right_one(shape: tuple[int, ...]):
    env = TeamEnv("lift")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"expected .*16.*for each of 2 arms"):
        env.step(np.zeros(shape))
    env.close()


def test_an_action_that_is_not_finite_is_traced_to_arm_and_index():
    env = TeamEnv("lift")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="arm_0 has a non-finite value nan at index 7"):
        env.step(np.array([0.0] * 7 + [np.nan] + [0.0] * 8))
    env.close()


def test_stepping_before_reset_or_after_close_is_a_clear_error():
    env = TeamEnv("lift")
    with pytest.raises(RuntimeError, match=r"before reset"):
        env.step(np.zeros(16))
    env.reset(seed=0)
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.step(np.zeros(16))
