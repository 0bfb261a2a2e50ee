"""Fair timing on a machine that others may use too: candidates take turns, ratios are taken within a turn.

Every turn is timed by the clock on the wall and by the processor time of the process. On an idle machine the two
agree for one thread; on a busy one the second still tells how much work each candidate is.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

FEWEST_TURNS = 3


@dataclass(frozen=True)
class Candidate:
    """Something to time.

    Attributes:
        prepare: Puts everything back to the start; not timed.
        run: The work, always the same amount.
        work: How much that is, e.g. physics steps.
    """

    prepare: Callable[[], None]
    run: Callable[[], None]
    work: float


@dataclass(frozen=True)
class Rate:
    """Work of one turn per second, by the clock on the wall and by processor time."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some repetitions."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Format all three numbers alike."""
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def take_turns(candidates: Mapping[str, Candidate], seconds: float, repeats: int = 1) -> dict[str, list[Rate]]:
    """Time all candidates in turn, again and again.

    Args:
        candidates: What to time, by name.
        seconds: For how long altogether; at least ``FEWEST_TURNS`` turns are taken.
        repeats: How often a candidate runs in one turn.

    Returns:
        Name to the rate of each turn.
    """
    rates: dict[str, list[Rate]] = {name: [] for name in candidates}
    for candidate in candidates.values():  # the first run pays for caches and allocations
        candidate.prepare()
        candidate.run()
    began = time.perf_counter()
    turn = 0
    while turn < FEWEST_TURNS or time.perf_counter() - began < seconds:
        names = list(candidates)
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(_rate(candidates[name], repeats))
        turn += 1
    return rates


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(values: Sequence[float], base: Sequence[float]) -> Spread:
    """Spread of the ratio of two candidates within each turn."""
    return spread([value / other for value, other in zip(values, base, strict=True)])


def machine() -> str:
    """Cores and load, which tell how far the figures can be trusted."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, load average {load}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table with aligned columns."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print(f"| {' | '.join(cells)} |", flush=True)


def _rate(candidate: Candidate, repeats: int) -> Rate:
    wall = cpu = 0.0
    for _ in range(repeats):
        candidate.prepare()
        wall_began, cpu_began = time.perf_counter(), time.process_time()
        candidate.run()
        wall += time.perf_counter() - wall_began
        cpu += time.process_time() - cpu_began
    work = repeats * candidate.work
    return Rate(work / wall, work / cpu)
