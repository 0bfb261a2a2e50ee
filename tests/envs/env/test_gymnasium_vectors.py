"""The native vector environment and those of gymnasium: the same info, and instructions that survive processes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

ID = "TeamVLA/Lift-v0"
VISION: dict[str, Any] = {"obs_mode": "vision", "image_size": 16, "cameras": ("front",)}


def assert_same_info(ours: dict[str, Any], theirs: dict[str, Any], path: str = "") -> None:
    """Equal keys, masks and values, at every depth."""
    assert set(ours) == set(theirs), path
    for key, value in ours.items():
        where = f"{path}/{key}"
        if isinstance(value, dict):
            assert_same_info(value, theirs[key], where)
        elif key == "final_obs":
            for one, other in zip(value, theirs[key], strict=True):
                assert (one is None) == (other is None), where
                if one is not None:
                    assert_allclose(one, other, atol=1e-5)
        else:
            assert_array_equal(value, theirs[key], err_msg=where)
            assert value.dtype == theirs[key].dtype, where


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_info_is_that_of_gymnasiums_vector_environments(mode: AutoresetMode):
    ours = TeamVectorEnv("lift", 3, max_episode_steps=4, autoreset_mode=mode, num_threads=1)
    theirs = SyncVectorEnv([lambda: gym.make(ID, max_episode_steps=4)] * 3, autoreset_mode=mode)
    assert_same_info(ours.reset(seed=0)[1], theirs.reset(seed=0)[1])
    # World 1 is ahead of the others.
    state = ours.get_state()
    state["steps"][1] = 2
    ours.set_state(state)
    ahead: Any = theirs.envs[1].unwrapped
    ahead.set_state({key: values[1:2] for key, values in state.items()})
    ended = []
    for actions in np.random.default_rng(0).uniform(-1, 1, (6, 3, 16)).astype(np.float32):
        one, other = ours.step(actions), theirs.step(actions)
        assert_array_equal(one[2] | one[3], other[2] | other[3])
        assert_same_info(one[4], other[4])
        ended.append((one[2] | one[3]).tolist())
    assert [False, True, False] in ended
    ours.close()
    theirs.close()


def test_final_info_is_masked_for_worlds_that_go_on(make_lift: Any):
    env = make_lift(2, max_episode_steps=4, autoreset_mode="SameStep")
    env.reset(seed=0)
    state = env.get_state()
    state["steps"][1] = 3
    env.set_state(state)
    info = env.step(np.zeros((2, 16)))[4]
    final = info["final_info"]
    for key, mask in final.items():
        if key.startswith("_"):
            assert mask.tolist() == [False, True], key
    assert final["end_reason"].tolist() == [None, "time_limit"]
    assert info["_is_success"].all()


def test_shared_memory_is_refused_for_instructions_with_what_to_do_instead():
    with pytest.raises(ValueError, match=r"disable this feature with `shared_memory=False`"):
        gym.make_vec(ID, num_envs=2, vectorization_mode="async", **VISION)


def test_instructions_survive_processes_without_shared_memory():
    env = gym.make_vec(ID, num_envs=2, vectorization_mode="async", vector_kwargs={"shared_memory": False}, **VISION)
    assert isinstance(env, AsyncVectorEnv)
    obs, info = env.reset(seed=3)
    assert list(obs["instruction"]) == info["task_description"].tolist()
    assert all(obs["instruction"])
    obs, *_ = env.step(env.action_space.sample())
    assert list(obs["instruction"]) == info["task_description"].tolist()
    env.close()


def test_shared_memory_serves_states():
    env = gym.make_vec(ID, num_envs=2, vectorization_mode="async")
    alone = TeamVectorEnv("lift", 2, num_threads=1)
    assert_allclose(env.reset(seed=0)[0], alone.reset(seed=0)[0], atol=1e-6)
    env.close()
    alone.close()
