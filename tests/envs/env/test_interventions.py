"""Another goal in the same scene, and a push: what the demo and swapped instructions are made of."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
import teamvla_envs
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]


@pytest.mark.parametrize("task", teamvla_envs.registered_tasks())
def test_every_goal_can_be_set_in_the_scene_of_a_seed(task: str):
    env = TeamVectorEnv(task, 2)
    env.reset(seed=5)
    scene = env.get_state()
    sentences = set()
    for goal in env.goals:
        _, info = env.reset(seed=5, options={"goal": goal})
        assert info["goal"].tolist() == [goal, goal]
        sentences.add(info["task_description"][0])
        for key in ("physics", *(key for key in scene if key.startswith("field."))):
            assert_array_equal(env.get_state()[key], scene[key], err_msg=key)
    assert len(sentences) == len(env.goals)
    env.close()


def test_the_seeds_own_goal_gives_the_seeds_own_episode(make_lift: MakeLift):
    env = make_lift(3)
    env.reset(seed=8)
    own = env.get_state(), list(env.goal_names), list(env.instructions)
    env.reset(seed=8, options={"goal": own[1]})
    assert env.instructions == own[2]
    for key, values in own[0].items():
        assert_array_equal(env.get_state()[key], values, err_msg=key)


def test_goals_can_be_given_world_by_world_and_only_where_wanted(make_lift: MakeLift):
    env = make_lift(3)
    env.reset(seed=8)
    own = env.goal_names
    env.reset(seed=8, options={"goal": ["hold", None, "stand_back"]})
    assert env.goal_names == ["hold", own[1], "stand_back"]


@pytest.mark.parametrize("goal", ["fetch", ["hold"], [1, 2, 3]])
def test_goals_that_do_not_exist_are_refused(make_lift: MakeLift, goal: object):
    with pytest.raises(ValueError, match="goal"):
        make_lift(3).reset(seed=0, options={"goal": goal})


def test_the_other_views_take_a_goal_too():
    single = gym.make("TeamVLA/Lift-v0")
    for goal in ("hold", "stand_front"):
        assert single.reset(seed=3, options={"goal": goal})[1]["goal"] == goal
    single.close()
    team = pettingzoo.make("parallel", "TeamVLA/Lift-v0")
    _, infos = team.reset(seed=3, options={"goal": "hold"})
    assert infos["arm_0"]["goal"] == "hold"
    team.close()


def test_the_expert_does_what_another_goal_asks(make_lift: MakeLift, finish_episodes):
    env = make_lift(3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=[4, 4, 4], options={"goal": list(env.goals)})
    outcome = finish_episodes(env)
    assert outcome.success.all()
    heights = env.world.body_pos[:, 0, 2]
    assert heights[2] > 0.27 > heights[:2].max()
    assert abs(env.world.body_pos[0, 0] - env.world.body_pos[1, 0])[:2].max() > 0.05


def test_a_push_changes_the_velocity_by_impulse_over_mass(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=1)
    before = env.world.body_vel.copy()
    mass = env.get_state()["field.body_mass.bar"][1]
    env.push(1, "bar", (0.1, 0.0, 0.2))
    after = env.world.body_vel
    assert_allclose((after - before)[1, 0, :3], np.array([0.1, 0.0, 0.2]) / mass, atol=1e-12)
    assert_array_equal(after[0], before[0])
    assert_array_equal(after[1, 0, 3:], before[1, 0, 3:])


def test_the_expert_recovers_from_a_push(make_lift: MakeLift, finish_episodes):
    env = make_lift(1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=1)
    for _ in range(10):
        env.step(env.expert_actions())
    at = env.world.body_pos[0, 0].copy()
    env.push(0, "bar", (0.4, 0.0, 0.0))
    for _ in range(10):
        env.step(env.expert_actions())
    assert np.linalg.norm(env.world.body_pos[0, 0] - at) > 0.01
    assert finish_episodes(env).success.all()


@pytest.mark.parametrize(
    ("body", "impulse", "words"),
    [("table", (0, 0, 1), "body"), ("bar", (0, 1), "impulse"), ("bar", (0, 0, float("nan")), "impulse")],
)
def test_pushes_that_make_no_sense_are_refused(make_lift: MakeLift, body: str, impulse: tuple, words: str):
    env = make_lift(1)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=words):
        env.push(0, body, impulse)
