"""Roles of the arms, which the coordination score reads, in physical failures."""

import numpy as np
import pytest
from teamvla_envs.env.vector import TeamVectorEnv

TASKS = ("lift", "handoff", "drawer")


@pytest.fixture
def make():
    made = []

    def make(task, n, **kwargs):
        made.append(TeamVectorEnv(task, n, autoreset_mode="Disabled", **kwargs))
        made[-1].reset(seed=list(range(2_000_000, 2_000_000 + n)))
        return made[-1]

    yield make
    for env in made:
        env.close()


def work(env):
    """(N,) whether work is joint, (N, A) whether each arm does its part, now."""
    return env.task.is_cooperative(env.signals), env.task.roles(env.signals)


@pytest.mark.parametrize(("task", "arms"), [("lift", 2), ("lift", 3), ("handoff", 2), ("handoff", 3), ("drawer", 2)])
def test_the_experts_work_together_and_every_arm_does_its_part(task, arms, make):
    env = make(task, 4, num_arms=arms)
    joint_steps = done_steps = np.zeros(4)
    running = np.ones(4, bool)
    assert not work(env)[0].any()
    while running.any():
        *_, terminated, truncated, _ = env.step(env.expert_actions())
        joint, roles = work(env)
        joint_steps = joint_steps + (joint & running)
        done_steps = done_steps + (joint & roles.all(-1) & running)
        running &= ~(terminated | truncated)
    assert (joint_steps > 20).all()
    assert (done_steps / joint_steps > 0.8).all()


def until_joint(env, steps=40):
    """Let the expert work until all worlds are well inside their joint work."""
    count = np.zeros(env.num_envs)
    for _ in range(200):
        env.step(env.expert_actions())
        count += work(env)[0]
        if (count > steps).all():
            return
    pytest.fail("it never came to joint work")


def test_an_arm_that_lets_go_of_a_load_in_the_air_is_the_one_that_does_not_do_its_part(make):
    env = make("lift", 1)
    until_joint(env, 15)
    for _ in range(6):
        action = env.expert_actions().reshape(1, 2, -1)
        action[:, 1, -1] = 1.0
        env.step(action.reshape(1, -1))
    joint, roles = work(env)
    assert joint.all()
    assert not roles[0, 1]


def test_a_giver_that_lets_go_too_early_does_not_do_its_part(make):
    env = make("handoff", 1)
    until_joint(env, 15)
    giver = int(env.signals["lead"][0])
    failed = False
    for _ in range(8):
        action = env.expert_actions().reshape(1, 2, -1)
        action[:, giver, -1] = 1.0
        env.step(action.reshape(1, -1))
        joint, roles = work(env)
        failed |= bool(joint[0] and not roles[0, giver])
    assert failed


def test_a_puller_that_lets_go_of_an_open_drawer_does_not_do_its_part(make):
    env = make("drawer", 1)
    until_joint(env, 20)
    puller = int(np.argmax(env.signals["pulling"][0]))
    for _ in range(5):
        action = env.expert_actions().reshape(1, 2, -1)
        action[:, puller, -1] = 1.0
        env.step(action.reshape(1, -1))
    joint, roles = work(env)
    assert joint.all()
    assert not roles[0, puller]
    assert roles[0, 1 - puller]


@pytest.mark.parametrize("task", TASKS)
def test_doing_nothing_is_no_joint_work(task, make):
    env = make(task, 2)
    for _ in range(30):
        env.step(np.zeros(env.action_space.shape))
        assert not work(env)[0].any()
