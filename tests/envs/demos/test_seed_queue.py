from teamvla_envs.demos.seed_queue import SeedSchedule


def test_seeds_are_handed_out_in_order_and_no_more_than_needed():
    schedule = SeedSchedule(range(5, 100), wanted=3)
    assert [schedule.take() for _ in range(4)] == [5, 6, 7, None]


def test_a_failed_seed_is_replaced_by_the_next_one():
    schedule = SeedSchedule(range(100), wanted=2)
    assert schedule.take() == 0
    assert schedule.take() == 1
    schedule.finish(0, success=False)
    assert schedule.take() == 2
    schedule.finish(1, success=True)
    schedule.finish(2, success=True)
    assert schedule.kept == [1, 2]
    assert schedule.failed == [0]
    assert schedule.remaining == 0


def test_known_outcomes_are_not_run_again_and_gaps_are_filled_first():
    schedule = SeedSchedule(range(100), wanted=4, succeeded=[0, 3], failed=[1])
    assert [schedule.take() for _ in range(3)] == [2, 4, None]


def test_a_smaller_collection_keeps_the_first_of_what_is_there():
    schedule = SeedSchedule(range(100), wanted=2, succeeded=[0, 2, 3], failed=[1, 4])
    assert schedule.kept == [0, 2]
    assert schedule.failed == [1]
    assert schedule.take() is None


def test_running_out_of_seeds_ends_with_some_remaining():
    schedule = SeedSchedule(range(2), wanted=3)
    assert [schedule.take() for _ in range(3)] == [0, 1, None]
    schedule.finish(0, success=True)
    schedule.finish(1, success=True)
    assert schedule.remaining == 1
