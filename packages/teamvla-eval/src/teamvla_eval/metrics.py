"""Metrics over finished episodes: pure functions from records to numbers.

A formula stands in the docstring of the function that computes it.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from teamvla_eval.records import EpisodeRecord


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
    """

    episodes: int
    successes: int
    success_rate: float
    wilson_95: tuple[float, float]
    time_to_success: TimeToSuccess
    mean_return: float


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
        n: Number of trials; with 0 trials nothing is known and the interval is (0, 1).
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

    Failures carry no time and are left out, so read these figures together with the success rate.
    """
    times = [record.time_to_success_s for record in records if record.time_to_success_s is not None]
    if not times:
        return TimeToSuccess(median_s=None, mean_s=None)
    return TimeToSuccess(median_s=statistics.median(times), mean_s=statistics.fmean(times))


def summarize(records: Sequence[EpisodeRecord]) -> SuccessSummary:
    """Success, its interval and the time it took, over a set of episodes."""
    successes = sum(record.success for record in records)
    n = len(records)
    return SuccessSummary(
        episodes=n,
        successes=successes,
        success_rate=successes / n if n else 0.0,
        wilson_95=wilson_interval(successes, n),
        time_to_success=time_to_success(records),
        mean_return=statistics.fmean(record.episode_return for record in records) if n else 0.0,
    )


def summarize_by_goal(records: Sequence[EpisodeRecord]) -> dict[str, SuccessSummary]:
    """:func:`summarize` for every goal variant that occurs, in alphabetical order."""
    goals = sorted({record.goal for record in records})
    return {goal: summarize([record for record in records if record.goal == goal]) for goal in goals}
