import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from teamvla_eval.metrics.comparison import bootstrap_mean, compare, mcnemar_exact

from tests.eval.episodes import make_suite

counts = st.integers(0, 60)


@given(counts, counts, counts, counts)
def test_mcnemar_equals_statsmodels(both, only_a, only_b, neither):
    expected = mcnemar([[both, only_a], [only_b, neither]], exact=True).pvalue
    assert mcnemar_exact(only_a, only_b) == pytest.approx(float(expected), abs=1e-12)


def test_mcnemar_of_a_coin_that_fell_on_one_side_eight_times():
    assert mcnemar_exact(8, 0) == 2 / 2**8
    assert mcnemar_exact(0, 0) == 1


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="got -1 and 3"):
        mcnemar_exact(-1, 3)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=30))
def test_a_bootstrap_interval_contains_the_mean_and_repeats(values):
    low, high = bootstrap_mean(values, resamples=500)
    assert low - 1e-12 <= np.mean(values) <= high + 1e-12
    assert (low, high) == bootstrap_mean(values, resamples=500)
    mirrored = bootstrap_mean([-value for value in values], resamples=500)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_a_bootstrap_interval_of_many_values_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(0.3, 1.0, 400)
    half = 1.96 * values.std() / 20
    assert bootstrap_mean(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_a_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_mean([])


def test_two_policies_are_compared_episode_by_episode():
    found = compare(make_suite("a", 7, 3).records, tuple(reversed(make_suite("b", 4, 6).records)))
    assert (found.episodes, found.both, found.only_a, found.only_b, found.neither) == (10, 4, 3, 0, 3)
    assert found.difference == pytest.approx(0.3)
    assert found.p_value == 2 / 2**3
    assert found.time_difference_s == 0


def test_a_policy_is_no_different_from_itself():
    suite = make_suite("a", 7, 3)
    found = compare(suite.records, suite.records)
    assert (found.difference, found.difference_95, found.p_value) == (0, (0, 0), 1)


def test_other_episodes_are_refused():
    with pytest.raises(ValueError, match="the same episodes"):
        compare(make_suite("a", 7, 3).records, make_suite("b", 7, 4).records)
