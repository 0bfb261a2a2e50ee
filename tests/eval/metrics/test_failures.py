from dataclasses import replace

import pytest
from teamvla_eval.metrics.failures import failure_counts, failure_kind, outcome

from tests.eval.episodes import make_suite

FAILED = make_suite("x", 0, 1).records[0]


def test_what_was_lost_comes_before_where_it_got_stuck():
    dropped = replace(FAILED, metrics={"dropped_objects": 2})
    assert failure_kind(replace(dropped, end_reason="object_left_table")) == "object left the table"
    assert failure_kind(dropped) == "object was dropped"
    assert failure_kind(FAILED) == "stuck in approach"


def test_a_success_has_no_reason_to_fail():
    with pytest.raises(ValueError, match="seed 2000000 succeeded"):
        failure_kind(make_suite("x", 1, 0).records[0])


def test_failures_are_counted_the_most_frequent_first():
    records = [FAILED, replace(FAILED, metrics={"dropped_objects": 1}), FAILED, *make_suite("x", 3, 0).records]
    assert list(failure_counts(records).items()) == [("stuck in approach", 2), ("object was dropped", 1)]


def test_diverged_physics_comes_before_everything_else():
    unstable = replace(FAILED, end_reason="unstable", metrics={"dropped_objects": 1})
    assert failure_kind(unstable) == "physics became unstable"
    assert outcome(unstable) == "unstable"
    assert outcome(FAILED) == "approach"
