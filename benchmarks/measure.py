"""Fair timing on a shared machine: candidates alternate, and ratios are taken within a turn.

Every turn is timed by the wall clock and by the CPU time of the process. On an idle machine the two agree for one
thread; on a busy one the second is still proportional to the work of a candidate.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

FEWEST_TURNS = 3


@dataclass(frozen=True)
class Candidate:
    """Work to be timed.

    Attributes:
        prepare: Restores the initial state; not timed.
        run: The work, always the same amount.
        work: Amount of work, such as control steps of all worlds.
    """

    prepare: Callable[[], object]
    run: Callable[[], object]
    work: float


@dataclass(frozen=True)
class Rate:
    """Work of one turn per second of the wall clock and per second of CPU time."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some repetitions."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Format all three numbers by ``spec``; one, if they are equal."""
        if self.low == self.high:
            return f"{self.median:{spec}}"
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def take_turns(candidates: Mapping[str, Candidate], seconds: float, turn_seconds: float = 0.3) -> dict[str, list[Rate]]:
    """Time all candidates in alternating turns.

    Args:
        candidates: Name to candidate.
        seconds: Total time; at least ``FEWEST_TURNS`` turns are taken.
        turn_seconds: A candidate runs again within its turn until that much time is measured.

    Returns:
        Name to the rate of each turn.
    """
    for candidate in candidates.values():  # the first run pays for caches and allocations
        candidate.prepare()
        candidate.run()
    turns = {name: partial(time_once, candidate, turn_seconds) for name, candidate in candidates.items()}
    began, rates = time.perf_counter(), alternate(turns, FEWEST_TURNS)
    while time.perf_counter() - began < seconds:
        for name, more in alternate(turns, len(turns)).items():
            rates[name] += more
    return rates


def alternate(turns: Mapping[str, Callable[[], Rate]], rounds: int) -> dict[str, list[Rate]]:
    """Run turns in rounds, each of which begins with another candidate.

    Args:
        turns: Name to a function that runs and times one turn.
        rounds: Number of rounds.

    Returns:
        Name to the rate of each round.
    """
    rates: dict[str, list[Rate]] = {name: [] for name in turns}
    names = list(turns)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(turns[name]())
    return rates


def time_once(candidate: Candidate, seconds: float) -> Rate:
    """One turn of a candidate: whole runs until ``seconds`` are measured."""
    wall = cpu = work = 0.0
    while wall < seconds:
        candidate.prepare()
        wall_began, cpu_began = time.perf_counter(), time.process_time()
        candidate.run()
        wall += time.perf_counter() - wall_began
        cpu += time.process_time() - cpu_began
        work += candidate.work
    return Rate(work / wall, work / cpu)


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(values: Sequence[float], base: Sequence[float]) -> Spread:
    """Spread of the ratio of two candidates within each turn."""
    return spread([value / other for value, other in zip(values, base, strict=True)])


def wall(rates: Sequence[Rate]) -> list[float]:
    """Rates per second of the wall clock."""
    return [rate.wall for rate in rates]


def cpu(rates: Sequence[Rate]) -> list[float]:
    """Rates per second of CPU time."""
    return [rate.cpu for rate in rates]


def machine() -> str:
    """Number of cores and load average."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, load average {load}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table with aligned columns."""
    print(table(header, rows), flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for row in (header, rule, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
