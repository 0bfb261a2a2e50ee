import numpy as np
import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.dagger.takeover import LATE, NO_REASON, STALLED, STRAYED, TakeoverMonitor, TakeoverRule

RULE = TakeoverRule(patience=4, stray_steps=3, stray_distance=0.5)
STILL = np.zeros((1, 16))


def watch(rewards, learner=STILL, expert=STILL, horizon=100):
    """Output of a monitor of one world after each reward."""
    monitor = TakeoverMonitor(RULE, num_envs=1, num_arms=2, horizon=horizon)
    return [int(monitor.observe(np.array([reward]), learner, expert)[0]) for reward in rewards]


def test_a_learner_that_gets_on_drives():
    assert watch(np.linspace(-1, 0, 20)) == [NO_REASON] * 20


def test_a_learner_that_gets_no_further_has_stalled():
    assert watch([-0.9, -0.5, -0.5, -0.6, -0.5, -0.5]) == [NO_REASON] * 5 + [STALLED]


def test_one_arm_that_moves_otherwise_for_a_while_has_strayed():
    learner = np.zeros((1, 16))
    learner[0, 8:15] = 0.6
    assert watch([-0.9, -0.8, -0.7], learner) == [NO_REASON, NO_REASON, STRAYED]


def test_a_gripper_alone_does_not_stray():
    learner = np.zeros((1, 16))
    learner[0, 7] = -1.0
    assert watch([-0.9, -0.8, -0.7, -0.6], learner, -learner) == [NO_REASON] * 4


def test_a_learner_has_the_time_of_an_episode():
    assert watch([-0.9, -0.8, -0.7], horizon=3) == [NO_REASON, NO_REASON, LATE]


def test_a_world_that_begins_again_has_no_past():
    monitor = TakeoverMonitor(RULE, num_envs=2, num_arms=2, horizon=100)
    both = np.zeros((2, 16))
    for _ in range(4):
        monitor.observe(np.array([-0.5, -0.5]), both, both)
    monitor.reset(np.array([True, False]))
    assert monitor.observe(np.array([-0.9, -0.5]), both, both).tolist() == [NO_REASON, STALLED]


@pytest.mark.parametrize("change", [{"patience": 0}, {"stray_steps": 0}, {"progress": 0.0}, {"stray_distance": -1.0}])
def test_an_impossible_rule_is_refused(change):
    with pytest.raises(UserError, match=next(iter(change))):
        TakeoverRule(**change)
