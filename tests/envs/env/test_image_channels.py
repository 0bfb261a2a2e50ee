"""Depth and segmentation as observations, for any named cameras at any size."""

import warnings
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from gymnasium.utils.env_checker import check_env
from numpy.testing import assert_array_equal
from pettingzoo.test import parallel_api_test
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]
ALL = ("rgb", "depth", "segmentation")


def test_each_channel_is_a_key_with_every_camera(make_lift: MakeLift):
    env = make_lift(2, obs_mode="vision", image_channels=ALL, image_size=(24, 32), cameras=("overhead", "wrist_1"))
    obs, _ = env.reset(seed=0)
    for key, shape, dtype in (
        ("pixels", (2, 24, 32, 3), np.uint8),
        ("depth", (2, 24, 32), np.float32),
        ("segmentation", (2, 24, 32), np.int32),
    ):
        assert set(obs[key]) == {"overhead", "wrist_1"}
        for image in obs[key].values():
            assert image.shape == shape
            assert image.dtype == dtype
    assert env.observation_space.contains(obs)
    assert 1.3 < np.median(obs["depth"]["overhead"]) < 1.6  # the table is 1.55 m below


def test_without_rgb_there_are_no_pixels(make_lift: MakeLift):
    env = make_lift(1, obs_mode="vision", image_channels="depth", image_size=16)
    obs, _ = env.reset(seed=0)
    assert "pixels" not in obs
    assert set(obs) == {"depth", "agent_pos", "instruction"}


def test_an_unknown_channel_is_told_the_allowed_ones():
    with pytest.raises(ValueError, match="image_channels: got 'normals', allowed are 'rgb', 'depth', 'segmentation'"):
        TeamVectorEnv("lift", image_channels=("rgb", "normals"))


def test_an_arm_of_the_parallel_view_gets_its_own_wrist_in_every_channel():
    parallel = teamvla_envs.parallel_env("lift", obs_mode="vision", image_channels=ALL, image_size=16)
    vector = TeamVectorEnv("lift", obs_mode="vision", image_channels=ALL, image_size=16)
    obs, _ = parallel.reset(seed=3)
    team, _ = vector.reset(seed=3)
    for k in range(2):
        for key in ("pixels", "depth", "segmentation"):
            assert_array_equal(obs[f"arm_{k}"][key]["wrist"], team[key][f"wrist_{k}"][0])
    parallel_api_test(parallel, num_cycles=3)
    parallel.close()
    vector.close()


def test_gymnasium_finds_no_fault():
    env = gym.make("TeamVLA/Lift-v0", obs_mode="vision+state", image_channels=ALL, image_size=16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(env.unwrapped, skip_render_check=True)
    env.close()
