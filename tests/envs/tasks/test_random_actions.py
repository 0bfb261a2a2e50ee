"""Whatever is done to it, a scene stays whole: no number is undefined, and nothing falls through the table."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import get_task, registered_tasks
from teamvla_envs.seeds import episode_seeds
from teamvla_envs.tasks.base import TABLE_EDGE

DEEPEST = -0.01  # [m] lower than this an object's center over the table has gone through the top


def play(task: str, count: int, steps_alike: int, **kwargs: Any) -> Iterator[tuple[TeamVectorEnv, np.ndarray]]:
    """Plays episodes of random actions, each kept for some steps; yields after each step which worlds still ran."""
    env = TeamVectorEnv(task, count, autoreset_mode="Disabled", **kwargs)
    env.reset(seed=episode_seeds("test", count).tolist())
    rng, alive = np.random.default_rng(0), np.ones(count, bool)
    for step in range(env.max_episode_steps):
        if step % steps_alike == 0:
            action = rng.uniform(-1, 1, env.action_space.shape)
        observation, reward, terminated, truncated, info = env.step(action)
        assert np.isfinite(observation).all()
        assert np.isfinite(reward).all()
        assert not info["is_success"].any()
        assert ((info["end_reason"] != "") == (terminated | truncated)).all()
        yield env, alive
        alive = alive & ~(terminated | truncated)
        if not alive.any():
            break
    env.close()


def check(task: str, count: int, steps_alike: int, **kwargs: Any) -> None:
    """Random actions leave every number finite and every object above the table top."""
    for env, alive in play(task, count, steps_alike, **kwargs):
        world = env.world
        for values in (world.joint_pos, world.joint_vel, world.body_pos, world.body_vel, world.tool_pos):
            assert np.isfinite(values).all()
        over_table = (np.abs(world.body_pos[..., :2]) < np.array(TABLE_EDGE) - 0.05).all(axis=-1)
        sunk = over_table & (world.body_pos[..., 2] < DEEPEST) & alive[:, None]
        assert not sunk.any(), f"{task}: seeds {env.seeds[sunk.any(axis=1)].tolist()}"


@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
@pytest.mark.parametrize("task", registered_tasks())
def test_random_actions_leave_the_scene_whole(task: str, steps_alike: int):
    check(task, 6, steps_alike, max_episode_steps=120)


@pytest.mark.slow
@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
@pytest.mark.parametrize("task", registered_tasks())
def test_random_actions_leave_the_scene_whole_in_a_thousand_episodes(task: str, steps_alike: int):
    check(task, 500, steps_alike)


@pytest.mark.slow
@pytest.mark.parametrize("task", registered_tasks())
def test_hard_randomization_and_more_arms_leave_the_scene_whole(task: str):
    check(task, 100, 12, randomization="hard", num_arms=max(get_task(task).arm_counts))
