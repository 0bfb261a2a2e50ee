from contextlib import closing
from dataclasses import fields

import gymnasium as gym
import pytest
from teamvla_envs.env.vector import TeamVectorEnv

from tests.learn.worlds import Worlds, state_worlds


@pytest.mark.parametrize(("obs_mode", "worlds"), [("vision", Worlds()), ("state", state_worlds())])
def test_the_stand_in_has_attributes_of_the_real_environment(obs_mode: str, worlds: Worlds):
    with closing(TeamVectorEnv("lift", worlds.num_envs, obs_mode=obs_mode, image_size=32)) as env:
        for entry in fields(Worlds):
            ours, real = getattr(worlds, entry.name), getattr(env, entry.name)
            assert type(ours) is type(real), entry.name
        assert worlds.seeds.shape == env.seeds.shape
        assert set(worlds.env_kwargs) <= set(env.env_kwargs)
        ours, real = worlds.single_observation_space, env.single_observation_space
        if isinstance(ours, gym.spaces.Dict) and isinstance(real, gym.spaces.Dict):
            assert set(ours) <= set(real)
            ours, real = ours["agent_pos"], real["agent_pos"]
        assert isinstance(ours, gym.spaces.Box)
        assert isinstance(real, gym.spaces.Box)
        assert (len(ours.shape), ours.dtype) == (len(real.shape), real.dtype)
