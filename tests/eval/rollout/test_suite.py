import numpy as np
import pytest
from teamvla_envs.policies import make_policy
from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.rollout.suite import run_episode, run_suite

ZERO = make_policy("zero")


@pytest.fixture
def env(make_lift):
    """Two worlds of Lift whose episodes end after five control steps."""
    return make_lift(2, autoreset_mode="Disabled", max_episode_steps=5)


def test_records_are_in_the_order_of_the_seeds(env):
    seeds = np.array([9, 3, 9, 4], dtype=np.int64)
    assert [record.seed for record in run_suite(env, ZERO, seeds)] == seeds.tolist()


def test_a_record_holds_the_outcome_of_its_episode(make_lift):
    env = make_lift(1, autoreset_mode="Disabled")
    record = run_episode(env, make_policy("expert"), seed=11)
    assert record.success
    assert record.time_to_success_s == pytest.approx(record.steps * env.control_dt)
    assert (record.task, record.seed, record.end_reason) == ("lift", 11, "success")
    assert record.final_phase in env.phases
    assert record.goal == env.goal_names[0]
    assert record.instruction == env.instructions[0]


def test_a_failure_has_no_time_to_success(env):
    record = run_episode(env, ZERO, seed=12)
    assert (record.success, record.steps, record.end_reason) == (False, 5, "time_limit")
    assert record.time_to_success_s is None


def test_every_finished_episode_is_reported_once(env):
    finished: list[EpisodeRecord] = []
    records = run_suite(env, ZERO, range(5), progress=finished.append)
    assert sorted(finished, key=lambda record: record.seed) == records
