"""Ends of episodes: by success, by the time limit, or because an object left the table."""

from collections.abc import Callable

import numpy as np
import pytest
import teamvla_envs
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]


def drop_the_load(env: TeamVectorEnv, world: int) -> None:
    """Put the bar of one world next to the table."""
    state = env.get_state()
    state["physics"][world, env.simulator.addresses.body_pose[0, :3]] = (0.0, 1.2, 0.5)
    env.set_state(state)


def test_an_object_beside_the_table_ends_the_episode_with_a_reason(make_lift: MakeLift):
    env = make_lift(3, autoreset_mode="Disabled")
    env.reset(seed=0)
    drop_the_load(env, 1)
    _, reward, terminated, truncated, info = env.step(np.zeros((3, 16)))
    assert terminated.tolist() == [False, True, False]
    assert not truncated.any()
    assert info["end_reason"].tolist() == ["", "object_left_table", ""]
    assert not info["is_success"].any()
    assert reward[1] < -(env.task.horizon - 2)  # every step that is left


def test_losing_the_object_is_worth_no_more_than_waiting(make_lift: MakeLift):
    env = make_lift(2, autoreset_mode="Disabled")
    env.reset(seed=[5, 5])
    total, running = np.zeros(2), np.ones(2, bool)
    drop_the_load(env, 0)
    while running.any():
        _, reward, terminated, truncated, _ = env.step(np.zeros((2, 16)))
        total += reward
        running &= ~(terminated | truncated)
    assert total[0] < total[1]


def test_in_sparse_mode_a_loss_is_worth_nothing(make_lift: MakeLift):
    env = make_lift(1, reward_mode="sparse", autoreset_mode="Disabled")
    env.reset(seed=0)
    drop_the_load(env, 0)
    assert env.step(np.zeros((1, 16)))[1].tolist() == [0.0]


def test_success_and_time_limit_are_reasons_too(make_lift: MakeLift):
    env = make_lift(2, autoreset_mode="Disabled")
    env.reset(seed=0)
    done = np.zeros(2, bool)
    while not done.all():
        actions = env.expert_actions()
        actions[1] = 0.0
        _, _, terminated, truncated, info = env.step(actions)
        done |= terminated | truncated
    assert info["end_reason"].tolist() == ["success", "time_limit"]
    assert info["is_success"].tolist() == [True, False]


def test_the_info_of_the_single_view_has_the_reason():
    single = TeamEnv("lift", max_episode_steps=1)
    single.reset(seed=0)
    assert single.step(single.hold_actions())[4]["end_reason"] == "time_limit"
    single.close()


def test_every_info_of_the_parallel_view_has_the_reason():
    parallel = teamvla_envs.parallel_env("lift", max_cycles=1)
    parallel.reset(seed=0)
    infos = parallel.step(parallel.hold_actions())[4]
    assert {agent: info["end_reason"] for agent, info in infos.items()} == dict.fromkeys(
        parallel.possible_agents, "time_limit"
    )
    parallel.close()


@pytest.mark.parametrize("task", teamvla_envs.registered_tasks())
def test_nothing_is_lost_at_the_start(task: str):
    env = TeamVectorEnv(task, 16, num_threads=1, randomization="hard")
    env.reset(seed=0)
    assert not env.task.is_lost(env.world).any()
    env.close()
