import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from teamvla_eval.metrics.episode_metrics import (
    action_change,
    collision_cost,
    coordination_score,
    dropped_objects,
    energy,
    idle_time,
    position_actuator_torque,
    time_to_success,
)

DT = 0.04
floats = st.floats(-10, 10)
steps = st.integers(1, 12)


def bools(*shape):
    return steps.flatmap(lambda t: arrays(bool, (t, *shape)))


def test_time_to_success_counts_steps_from_one():
    assert time_to_success(np.array([False, False, True, False]), DT) == pytest.approx(0.12)
    assert time_to_success(np.zeros(3, bool), DT) is None


def test_coordination_is_the_share_of_joint_steps_in_which_all_do_their_part():
    roles = np.array([[True, False], [True, True], [True, False], [True, True], [False, False]])
    joint = np.array([False, True, True, True, True])
    assert coordination_score(roles, joint) == 2 / 4


def test_coordination_without_joint_work_is_unknown():
    assert coordination_score(np.ones((3, 2), bool), np.zeros(3, bool)) is None


@given(bools(3), st.data())
def test_coordination_is_a_share_and_more_parts_done_never_lower_it(roles, data):
    joint = data.draw(arrays(bool, len(roles)))
    score = coordination_score(roles, joint)
    if score is None:
        assert not joint.any()
        return
    assert 0 <= score <= 1
    better = coordination_score(roles | data.draw(arrays(bool, roles.shape)), joint)
    assert better is not None
    assert better >= score
    assert coordination_score(np.ones_like(roles), joint) == 1


def test_collision_cost_is_the_impulse_of_all_pairs():
    assert collision_cost(np.array([[1.0, 2.0], [0.0, 5.0]]), DT) == pytest.approx(0.32)


@given(steps.flatmap(lambda t: arrays(float, (t, 2), elements=st.floats(0, 1e3))), st.floats(0.5, 3))
def test_collision_cost_is_linear_in_force_and_adds_up_over_time(force, factor):
    whole = collision_cost(force, DT)
    assert collision_cost(factor * force, DT) == pytest.approx(factor * whole)
    assert collision_cost(force[:1], DT) + collision_cost(force[1:], DT) == pytest.approx(whole)


def falls(*heights, held=()):
    """Whether the one body at these heights was dropped, touched in some steps."""
    touched = np.isin(np.arange(len(heights)), held)[:, None]
    return dropped_objects(touched, np.array(heights)[:, None])


def test_a_body_that_sinks_after_it_was_let_go_was_dropped():
    assert falls(0.0, 0.3, 0.3, 0.2, 0.0, 0.0, held=(1, 2)) == 1


def test_a_body_that_was_laid_down_was_not_dropped():
    assert falls(0.0, 0.3, 0.1, 0.01, 0.0, 0.0, held=(1, 2, 3)) == 0


def test_a_body_that_nobody_touched_was_not_dropped():
    assert falls(0.3, 0.2, 0.0) == 0


def test_each_release_counts_once():
    assert falls(0.3, 0.1, 0.0, 0.3, 0.1, 0.0, held=(0, 3)) == 2


def test_a_body_that_falls_in_the_hand_was_not_dropped():
    assert falls(0.3, 0.2, 0.0, held=(0, 1, 2)) == 0


@given(bools(2), st.data())
def test_there_are_at_most_as_many_drops_as_releases(touched, data):
    height = data.draw(arrays(float, touched.shape, elements=st.floats(0, 1)))
    releases = int((touched[:-1] & ~touched[1:]).sum())
    assert 0 <= dropped_objects(touched, height) <= releases
    assert dropped_objects(touched, np.ones_like(height)) == 0


def test_an_arm_is_idle_when_it_neither_moves_nor_touches_anything():
    velocity = np.zeros((4, 2, 3))
    velocity[1, 0, 2] = -0.2
    touching = np.array([[False, True]] * 3 + [[False, False]])
    assert idle_time(velocity, touching, DT) == pytest.approx([3 * DT, DT])


@given(bools(2), st.data())
def test_idle_time_is_at_most_the_episode(touching, data):
    velocity = data.draw(arrays(float, (len(touching), 2, 3), elements=floats))
    idle = idle_time(velocity, touching, DT)
    assert ((idle >= 0) & (idle <= len(touching) * DT + 1e-12)).all()
    assert (idle_time(velocity, np.ones_like(touching), DT) == 0).all()


def test_action_change_is_the_root_mean_square_of_differences():
    assert action_change(np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])) == pytest.approx(np.sqrt(0.5))
    assert action_change(np.zeros((1, 2, 8))) == 0


@given(steps.flatmap(lambda t: arrays(float, (t, 2, 3), elements=floats)), floats)
def test_action_change_knows_no_offset_and_no_direction_of_time(actions, offset):
    assert action_change(actions + offset) == pytest.approx(action_change(actions), abs=1e-9)
    assert action_change(actions[::-1]) == pytest.approx(action_change(actions))
    assert action_change(np.broadcast_to(actions[:1], actions.shape)) == 0


def test_energy_counts_work_in_either_direction():
    assert energy(np.array([[[2.0, -3.0]]]), np.array([[[1.0, 2.0]]]), DT) == pytest.approx(8 * DT)


def test_torque_is_that_of_a_clipped_spring_and_damper():
    one = np.ones((1, 1, 1))
    torque = position_actuator_torque(1.1 * one, one, 0.5 * one, 100 * one[0], 10 * one[0], 87 * one[0])
    assert torque == pytest.approx(5 * one)
    assert position_actuator_torque(9 * one, one, 0 * one, 100 * one[0], 10 * one[0], 87 * one[0]) == 87
