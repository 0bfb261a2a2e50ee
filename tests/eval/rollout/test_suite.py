import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.rollout.suite import run_episode, run_suite

from tests.eval.counting_env import CountingPolicy, episode_length, make_counting_env


@pytest.mark.parametrize("num_envs", [1, 2, 3, 7, 25, 40])
def test_exactly_the_requested_seeds_run_whatever_the_number_of_worlds(num_envs):
    seeds = list(range(100, 125))
    records = run_suite(make_counting_env(num_envs), CountingPolicy(), seeds)
    assert [record.seed for record in records] == seeds
    assert [record.steps for record in records] == [episode_length(seed) for seed in seeds]
    assert records == run_suite(make_counting_env(5), CountingPolicy(), seeds)


def test_a_record_tells_what_happened():
    record = run_episode(make_counting_env(1), CountingPolicy(), seed=11)
    measured = {"idle_time_s", "coordination_score", "collision_cost", "action_change", "energy", "dropped_objects"}
    others = measured | {"furthest_phase", "said_goal", "said_success"}
    assert {key: value for key, value in record.to_json().items() if key not in others} == {
        "task": "count",
        "seed": 11,
        "goal": "goal_2",
        "instruction": "count to 5",
        "success": True,
        "steps": 5,
        "time_to_success_s": 2.5,
        "return": 5.0,
        "final_phase": "end",
        "end_reason": "success",
    }


def test_a_failure_has_no_time_to_success():
    record = run_episode(make_counting_env(1), CountingPolicy(), seed=12)
    assert not record.success
    assert record.time_to_success_s is None


def test_a_slot_is_refilled_as_soon_as_its_episode_ends():
    env = make_counting_env(2)
    run_suite(env, CountingPolicy(), [6, 0, 1, 7])  # lengths 7, 1, 2, 1: the second world runs the last three
    assert env.episodes_begun == [6, 0, 1, 7]


def test_the_policy_hears_of_every_new_episode():
    policy = CountingPolicy()
    run_suite(make_counting_env(4), policy, range(10))
    assert policy.resets == 10


def test_every_finished_episode_is_reported_once():
    finished: list[EpisodeRecord] = []
    records = run_suite(make_counting_env(3), CountingPolicy(), range(10), progress=finished.append)
    assert sorted(record.seed for record in finished) == list(range(10))
    assert sorted(finished, key=lambda record: record.seed) == records


def test_seeds_may_be_an_array_in_any_order_and_repeat():
    seeds = np.array([9, 3, 9], dtype=np.int64)
    assert [record.seed for record in run_suite(make_counting_env(2), CountingPolicy(), seeds)] == [9, 3, 9]


def test_no_seeds_give_no_records():
    assert run_suite(make_counting_env(2), CountingPolicy(), []) == []


def test_an_environment_that_resets_itself_is_refused():
    env = make_counting_env(2, autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises(ValueError, match=r"AutoresetMode\.DISABLED"):
        run_suite(env, CountingPolicy(), [1])
