import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint
from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.metrics.summary import (
    aggregate_results,
    success_at,
    summarize,
    summarize_by_goal,
    time_to_success,
    wilson_interval,
)


def episode(success, steps=100, goal="stand_0", seed=0):
    return EpisodeRecord(
        task="lift",
        seed=seed,
        goal=goal,
        instruction="Put the crate on the red stand.",
        success=success,
        steps=steps,
        time_to_success_s=steps * 0.04 if success else None,
        episode_return=float(steps),
        final_phase="release" if success else "carry",
    )


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
        # Medicine 17 (1998), table I, method 3 (score interval without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_equals_published_values(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_wilson_interval_is_symmetric_inside_the_unit_interval_and_contains_the_rate(n):
    for successes in range(n + 1):
        low, high = wilson_interval(successes, n)
        assert 0.0 <= low <= successes / n <= high <= 1.0
        mirrored_low, mirrored_high = wilson_interval(n - successes, n)
        assert (1 - mirrored_high, 1 - mirrored_low) == pytest.approx((low, high))


def test_wilson_interval_of_no_trials_knows_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (0, -1)])
def test_wilson_interval_refuses_impossible_counts(successes, n):
    with pytest.raises(ValueError, match=f"successes={successes}, n={n}"):
        wilson_interval(successes, n)


def test_time_to_success_leaves_failures_out():
    times = time_to_success([episode(True, 100), episode(True, 150), episode(True, 200), episode(False, 300)])
    assert times.median_s == pytest.approx(6.0)
    assert times.mean_s == pytest.approx(6.0)


def test_time_to_success_without_a_success_is_unknown():
    times = time_to_success([episode(False)])
    assert times.median_s is None
    assert times.mean_s is None


def test_summary_counts_successes():
    summary = summarize([episode(True), episode(True), episode(False), episode(True)])
    assert (summary.episodes, summary.successes, summary.success_rate) == (4, 3, 0.75)
    assert summary.wilson_95 == wilson_interval(3, 4)


def test_summary_of_nothing_is_defined():
    summary = summarize([])
    assert (summary.episodes, summary.success_rate, summary.wilson_95) == (0, 0.0, (0.0, 1.0))


def test_goal_variants_are_counted_apart():
    records = [episode(True, goal="stand_0"), episode(False, goal="stand_1"), episode(True, goal="stand_1")]
    by_goal = summarize_by_goal(records)
    assert list(by_goal) == ["stand_0", "stand_1"]
    assert by_goal["stand_0"].success_rate == 1.0
    assert by_goal["stand_1"].success_rate == 0.5


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_equals_statsmodels(counts):
    successes, n = counts
    expected = proportion_confint(successes, n, alpha=0.05, method="wilson")
    assert wilson_interval(successes, n, z=1.959963984540054) == pytest.approx(expected, abs=1e-9)
    assert wilson_interval(successes, n) == pytest.approx(expected, abs=2e-5)


def test_success_within_a_time_counts_episodes_that_took_no_longer():
    records = [episode(True, 100), episode(True, 150), episode(False, 300), episode(False, 300)]
    assert success_at(records, 4.0) == (0.25, wilson_interval(1, 4))
    assert success_at(records, 6.0) == (0.5, wilson_interval(2, 4))
    assert success_at([], 6.0) == (0.0, (0.0, 1.0))


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.floats(0, 12), st.floats(0, 12))
def test_success_never_falls_with_time(outcomes, one, other):
    records = [episode(success, 10 * (k + 1)) for k, success in enumerate(outcomes)]
    early, late = sorted((one, other))
    assert success_at(records, early)[0] <= success_at(records, late)[0]
    assert success_at(records, 1000)[0] == summarize(records).success_rate


def test_the_mean_over_tasks_gives_each_task_the_same_weight():
    tasks = {"a": summarize([episode(True)] * 30), "b": summarize([episode(False)] * 10)}
    assert aggregate_results(tasks).success_rate == 0.5


def test_the_mean_of_one_task_is_that_task():
    summary = summarize([episode(True), episode(False), episode(True)])
    mean = aggregate_results({"lift": summary})
    assert mean.success_rate == summary.success_rate
    assert mean.interval_95 == pytest.approx(summary.wilson_95)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(any), min_size=1, max_size=5))
def test_the_interval_of_the_mean_is_narrower_than_the_widest_of_the_tasks(counts):
    tasks = {str(k): summarize([episode(True)] * a + [episode(False)] * b) for k, (a, b) in enumerate(counts)}
    mean = aggregate_results(tasks)
    low, high = mean.interval_95
    assert 0 <= low <= mean.success_rate <= high <= 1
    assert high - low <= max(t.wilson_95[1] - t.wilson_95[0] for t in tasks.values()) + 1e-9


def test_a_mean_of_no_tasks_is_refused():
    with pytest.raises(ValueError, match="at least one task"):
        aggregate_results({})
