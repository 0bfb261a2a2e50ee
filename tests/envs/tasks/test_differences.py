"""Differences in observations: target minus current, in every task and for every arm."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.env.observations import peer_summary
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import BUILT_IN


@pytest.mark.parametrize("task", BUILT_IN)
def test_differences_are_target_minus_current(task: str):
    env = TeamVectorEnv(task, 4, num_threads=1)
    env.reset(seed=0)
    for _ in range(20):
        env.step(env.expert_actions())
    parts, world = env.state_parts(), env.world
    assert "goal_error" not in parts
    assert_allclose(parts["object_to_goal"], parts["goal_pos"] - parts["object_pos"], atol=1e-12)
    to_grasp = parts["tool_to_grasp"].reshape(4, 2, 3)
    assert_allclose(to_grasp, -env.signals["offset"], atol=1e-12)
    peers = peer_summary(world).reshape(4, 2, 4)
    assert_allclose(peers[:, 0, :3], world.tool_pos[:, 1] - world.tool_pos[:, 0], atol=1e-6)
    env.close()


@pytest.mark.parametrize("task", BUILT_IN)
def test_a_tool_that_moves_along_its_difference_gets_to_its_target(task: str):
    env = TeamVectorEnv(task, 4, num_threads=1)
    env.reset(seed=0)
    tools = env.world.tool_pos.copy()
    to_grasp = env.state_parts()["tool_to_grasp"].reshape(4, 2, 3)
    for _ in range(25):
        env.step(env.expert_actions())
    moved = env.world.tool_pos - tools
    assert np.median((moved * to_grasp).sum(-1)) > 0
    env.close()
