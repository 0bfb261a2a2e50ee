"""Paired comparison of two policies on the same seeds, with intervals and a significance test."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teamvla_eval.metrics.episode_record import EpisodeRecord

RESAMPLES = 10_000


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of policies A and B on the same episodes.

    Attributes:
        episodes: Number of episodes.
        both: Number of episodes that both solved.
        only_a: Number that only A solved.
        only_b: Number that only B solved.
        neither: Number that neither solved.
        difference: Success rate of A minus that of B.
        difference_95: 95% bootstrap interval of that difference.
        p_value: Exact two-sided McNemar test of equal success.
        time_difference_s: Mean time to success of A minus that of B over the episodes that both solved [s]; None
            without one.
        time_difference_95: 95% bootstrap interval of it; None without one.
    """

    episodes: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    difference_95: tuple[float, float]
    p_value: float
    time_difference_s: float | None
    time_difference_95: tuple[float, float] | None


def mcnemar_exact(only_a: int, only_b: int) -> float:
    r"""Exact two-sided McNemar test: p-value of equal success from the episodes that only one of two policies solved.

    Under equal success each of the :math:`n = b + c` discordant episodes goes to either policy with probability 1/2:

    .. math:: p = \min \left( 1, \; 2 \sum_{i=0}^{\min(b, c)} \binom{n}{i} 2^{-n} \right)

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), with the binomial distribution in place of its approximation.

    Raises:
        ValueError: If a count is negative.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"mcnemar_exact needs counts that are not negative, got {only_a} and {only_b}")
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**n)


def bootstrap_mean(
    values: Sequence[float] | np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979). Of paired
    measurements, pass the differences.

    Args:
        values: Shape ``(n,)``, at least one.
        level: Confidence level.
        resamples: Number of samples of n values, drawn with replacement.
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        Lower and upper bound.
    """
    sample = np.asarray(values, float)
    if sample.ndim != 1 or not len(sample):
        raise ValueError(f"bootstrap_mean needs one axis and at least one value, got shape {sample.shape}")
    rng = np.random.default_rng(seed)
    means = np.array([sample[rng.integers(len(sample), size=len(sample))].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compare(a: Sequence[EpisodeRecord], b: Sequence[EpisodeRecord]) -> Comparison:
    """Compare two policies episode by episode.

    Args:
        a: Records of policy A.
        b: Records of policy B, of the same tasks and seeds; the order does not matter.

    Raises:
        ValueError: If the episodes are not the same.
    """
    by_episode = {(record.task, record.seed): record for record in b}
    if not a or len(a) != len(b) or {(record.task, record.seed) for record in a} != set(by_episode):
        raise ValueError(f"compare needs the same episodes of both policies, got {len(a)} and {len(b)} that differ")
    pairs = [(record, by_episode[record.task, record.seed]) for record in a]
    gain = np.array([one.success - float(other.success) for one, other in pairs])
    times = [
        one.time_to_success_s - other.time_to_success_s
        for one, other in pairs
        if one.time_to_success_s is not None and other.time_to_success_s is not None
    ]
    only_a, only_b = int((gain > 0).sum()), int((gain < 0).sum())
    both = sum(one.success and other.success for one, other in pairs)
    return Comparison(
        episodes=len(pairs),
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=len(pairs) - both - only_a - only_b,
        difference=float(gain.mean()),
        difference_95=bootstrap_mean(gain),
        p_value=mcnemar_exact(only_a, only_b),
        time_difference_s=statistics.fmean(times) if times else None,
        time_difference_95=bootstrap_mean(times) if times else None,
    )
