import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.policies import make_policy
from teamvla_envs.rollout import Step
from teamvla_eval.rollout.suite import run_suite
from teamvla_eval.rollout.swapped_goals import SwappedGoals, another_goal

SEEDS = list(range(2_000_000, 2_000_006))


@pytest.fixture
def make_env():
    made = []

    def make(task, worlds):
        made.append(TeamVectorEnv(task, worlds, autoreset_mode=AutoresetMode.DISABLED))
        return made[-1]

    yield make
    for env in made:
        env.close()


def test_another_goal_is_never_the_same_and_each_comes_up_equally_often():
    goals = ("a", "b", "c")
    others = [another_goal(goals, "b", seed) for seed in range(10)]
    assert others == ["a", "c"] * 5


@pytest.mark.parametrize("task", ["lift", "handoff", "drawer"])
def test_an_expert_does_what_is_said_and_not_what_was_meant(task, make_env):
    env = make_env(task, 3)
    for record in run_suite(env, make_policy("expert"), SEEDS[:3], swap=SwappedGoals(env)):
        assert record.said_goal != record.goal
        assert record.said_success
        assert not record.success
        assert record.time_to_success_s is None


def test_the_scene_is_that_of_the_seed_and_the_sentence_is_not(make_env):
    env = make_env("lift", 2)
    env.reset(seed=SEEDS[:2])
    told, placed = env.instructions, env.world.body_pos.copy()
    swap = SwappedGoals(env)
    swap.reset(SEEDS[:2], np.ones(2, bool))
    assert (env.world.body_pos == placed).all()
    assert all(now != before for now, before in zip(env.instructions, told, strict=True))


def test_the_original_goal_is_judged_by_the_rules_of_the_task(make_env):
    env, shadow = make_env("lift", 1), make_env("lift", 1)
    shadow.reset(seed=[SEEDS[0]])
    swap = SwappedGoals(env)
    swap.reset([SEEDS[0]], np.ones(1, bool))
    steps = 0
    ended = False
    while not ended:
        action = shadow.expert_actions()
        _, _, terminated, truncated, _ = shadow.step(action)
        swap.capture(env, Step(np.ones(1, bool), None, action, *env.step(action)))
        ended, steps = bool((terminated | truncated)[0]), steps + 1
    assert swap.success_step.tolist() == [steps]


def test_records_do_not_depend_on_the_number_of_worlds(make_env):
    few, many = make_env("lift", 2), make_env("lift", 6)
    expert = make_policy("expert")
    records = [run_suite(env, expert, SEEDS, swap=SwappedGoals(env)) for env in (few, many)]
    assert records[0] == records[1]
