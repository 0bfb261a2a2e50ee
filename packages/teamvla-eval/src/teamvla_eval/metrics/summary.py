"""Summaries over finished episodes: pure functions from records to numbers.

Formulas of the metrics of one episode are in ``episode_metrics``; ``comparison`` compares two policies.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.metrics.failures import END_UNSTABLE
from teamvla_eval.metrics.metric import mean_or_zero
from teamvla_eval.metrics.table import summarized_metrics


@dataclass(frozen=True)
class TimeToSuccess:
    """Time to success over the successful episodes [s]; both None when no episode succeeded."""

    median_s: float | None
    mean_s: float | None


@dataclass(frozen=True)
class SuccessSummary:
    """Success over a set of episodes.

    Attributes:
        episodes: Number of episodes ``n``.
        successes: Number of successful ones ``k``.
        success_rate: ``k / n``; 0 for no episodes.
        wilson_95: 95% Wilson score interval of the success probability, (low, high).
        time_to_success: Median and mean over the successful episodes [s].
        mean_return: Mean undiscounted return; 0 for no episodes.
        metrics: Name to aggregate, for every summarized metric, and the counts of episodes that have a value.
        said_success_rate: Success rate under the goal of the instruction, if it differs from the goal; else None.
        unstable: Number of episodes that ended because the physics diverged; they count as failures.
    """

    episodes: int
    successes: int
    success_rate: float
    wilson_95: tuple[float, float]
    time_to_success: TimeToSuccess
    mean_return: float
    metrics: Mapping[str, Any] = field(default_factory=dict)
    said_success_rate: float | None = None
    unstable: int = 0


@dataclass(frozen=True)
class MeanSuccess:
    """Success averaged over tasks, each task with equal weight.

    Attributes:
        success_rate: Mean of the tasks' success rates.
        interval_95: 95% interval of the mean success probability, (low, high).
    """

    success_rate: float
    interval_95: tuple[float, float]


def success_at(records: Sequence[EpisodeRecord], horizon_s: float) -> tuple[float, tuple[float, float]]:
    r"""Success within a time T, :math:`\frac{1}{n} \sum_i [t_i \le T]`, with its 95% Wilson interval.

    Args:
        records: Episodes whose horizon is T or longer.
        horizon_s: T, simulated time [s].

    Returns:
        Rate and interval.
    """
    times = (record.time_to_success_s for record in records)
    successes = sum(time is not None and time <= horizon_s + 1e-9 for time in times)
    return successes / len(records) if records else 0.0, wilson_interval(successes, len(records))


def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    r"""Wilson score interval of a success probability.

    With :math:`\hat p = k / n` the interval is

    .. math::
        \frac{1}{1 + z^2/n} \left( \hat p + \frac{z^2}{2n}
        \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}} \right)

    It stays inside [0, 1] and is informative at 0 and n successes, where the normal approximation collapses.
    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).

    Args:
        successes: Number of successes ``k``, 0 <= k <= n.
        n: Number of trials; the interval of 0 trials is (0, 1).
        z: Normal quantile of the confidence level; 1.96 for 95%.

    Returns:
        Lower and upper bound.

    Raises:
        ValueError: If the counts are negative or contradict each other.
    """
    if n < 0 or not 0 <= successes <= n:
        raise ValueError(f"wilson_interval needs 0 <= successes <= n, got successes={successes}, n={n}")
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    center = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (center - spread) / scale
    high = 1.0 if successes == n else (center + spread) / scale
    return low, high


def time_to_success(records: Iterable[EpisodeRecord]) -> TimeToSuccess:
    """Median and mean time to success over the successful episodes [s].

    Failures have no time and are left out, so read these figures together with the success rate.
    """
    times = [record.time_to_success_s for record in records if record.time_to_success_s is not None]
    if not times:
        return TimeToSuccess(median_s=None, mean_s=None)
    return TimeToSuccess(median_s=statistics.median(times), mean_s=statistics.fmean(times))


def summarize(records: Sequence[EpisodeRecord]) -> SuccessSummary:
    """Success rate with its interval, time to success and aggregated metrics of a set of episodes."""
    successes = sum(record.success for record in records)
    n = len(records)
    said = [record.said_success for record in records if record.said_success is not None]
    return SuccessSummary(
        episodes=n,
        successes=successes,
        success_rate=successes / n if n else 0.0,
        wilson_95=wilson_interval(successes, n),
        time_to_success=time_to_success(records),
        mean_return=mean_or_zero([record.episode_return for record in records]),
        metrics=_aggregates(records),
        said_success_rate=sum(said) / len(said) if said else None,
        unstable=sum(record.end_reason == END_UNSTABLE for record in records),
    )


def _aggregates(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Aggregate of every summarized metric, each followed by its count of episodes if it has one."""
    found: dict[str, Any] = {}
    for metric in summarized_metrics():
        assert metric.aggregate is not None
        values = [record.metrics[metric.name] for record in records]
        found[metric.name] = metric.aggregate(values)
        if metric.counted_as:
            found[metric.counted_as] = sum(value is not None for value in values)
    return found


def aggregate_results(summaries: Mapping[str, SuccessSummary]) -> MeanSuccess:
    r"""Success averaged over tasks, with an interval.

    With K tasks of success rates :math:`p_k` and Wilson limits :math:`l_k, u_k` the interval is

    .. math::
        \left[ \bar p - \frac{1}{K} \sqrt{\sum_k (p_k - l_k)^2}, \;
        \bar p + \frac{1}{K} \sqrt{\sum_k (u_k - p_k)^2} \right]

    Source: G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27 (2008), for a mean of independent proportions.

    Args:
        summaries: Task to its summary, at least one.
    """
    if not summaries:
        raise ValueError("aggregate_results needs at least one task, got none")
    rates = [summary.success_rate for summary in summaries.values()]
    below = math.hypot(*(summary.success_rate - summary.wilson_95[0] for summary in summaries.values()))
    above = math.hypot(*(summary.wilson_95[1] - summary.success_rate for summary in summaries.values()))
    mean, k = statistics.fmean(rates), len(rates)
    return MeanSuccess(mean, (max(mean - below / k, 0.0), min(mean + above / k, 1.0)))


def summarize_by_goal(records: Sequence[EpisodeRecord]) -> dict[str, SuccessSummary]:
    """:func:`summarize` for every goal variant that occurs, in alphabetical order."""
    goals = sorted({record.goal for record in records})
    return {goal: summarize([record for record in records if record.goal == goal]) for goal in goals}
