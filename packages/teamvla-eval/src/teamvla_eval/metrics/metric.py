"""Definition of a metric, and the aggregations and formats that metrics share."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from teamvla_eval.metrics.trace import EpisodeTrace
from teamvla_eval.metrics.value_checks import Check, number, or_null

UNKNOWN = "–"


def mean(values: Sequence[float | None]) -> float | None:
    """Mean over the episodes that have a value; None without one."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def mean_or_zero(values: Sequence[float]) -> float:
    """Mean over the episodes; 0 for no episodes."""
    return statistics.fmean(values) if values else 0.0


def mean_per_arm(values: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Mean over the episodes of E tuples of A numbers; empty for no episodes."""
    return tuple(statistics.fmean(column) for column in zip(*values, strict=True))


def decimals(digits: int) -> Callable[[Any], str]:
    """Format with a fixed number of decimals; whole numbers have none, and one number per arm is joined by slashes."""

    def show(value: Any) -> str:
        if value is None or value == ():
            return UNKNOWN
        if isinstance(value, tuple):
            return " / ".join(map(show, value))
        return str(value) if isinstance(value, int) else f"{value:.{digits}f}"

    return show


_two_decimals, _number_or_null = decimals(2), or_null(number)


@dataclass(frozen=True)
class Metric:
    """A measured quantity of an episode: one row of the metric table.

    A value is a number, a text, one number per arm (a tuple), or None where the metric is undefined.

    Attributes:
        name: Key in records, ``results.json`` and ``episodes.csv``.
        title: Column header in tables, without the unit.
        compute: Function from the trace of an episode to its value.
        unit: Unit of the value; empty for none.
        format: Function from a value or an aggregate to text, without the unit.
        aggregate: Function from the values of E episodes to their summary; None for a metric that is not summarized.
        check: Check of an episode's value that was read from a file.
        check_aggregate: The same for a summary.
        default: Value of an episode that was not measured.
        counted_as: Name of the figure that counts the episodes with a value; empty for none.
    """

    name: str
    title: str
    compute: Callable[[EpisodeTrace], Any]
    unit: str = ""
    format: Callable[[Any], str] = _two_decimals
    aggregate: Callable[[Sequence[Any]], Any] | None = mean
    check: Check = _number_or_null
    check_aggregate: Check = _number_or_null
    default: Any = None
    counted_as: str = ""

    @property
    def header(self) -> str:
        """Title with the unit in brackets."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title
