import pytest
from teamvla_eval.metrics import summarize, summarize_by_goal, time_to_success, wilson_interval
from teamvla_eval.records import EpisodeRecord


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
