"""What a benchmark shows in the terminal: a progress bar while it runs, a table when it is done."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from teamvla_eval.display import interval, p_value, percent, percent_points, seconds
from teamvla_eval.metrics import summarize, summarize_by_goal
from teamvla_eval.results import BenchResults
from teamvla_eval.rollouts import EpisodeCallback

if TYPE_CHECKING:
    from rich.table import Table

    from teamvla_eval.history import HistoryEntry
    from teamvla_eval.records import EpisodeRecord


@contextmanager
def episode_progress(title: str, episodes: int) -> Generator[EpisodeCallback]:
    """A progress bar over episodes, on standard error; yields the callback that moves it on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[solved]} solved"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=episodes, solved=0)
        solved = 0

        def move_on(record: "EpisodeRecord") -> None:
            nonlocal solved
            solved += record.success
            bar.update(task, advance=1, solved=solved)

        yield move_on


def print_results(results: BenchResults) -> None:
    """Show the results on standard output: one table over policies and tasks, goal variants below each."""
    from rich.console import Console

    Console().print(_table(results))


def print_comparisons(results: BenchResults) -> None:
    """Show the first policy against each other one, episode by episode; nothing for a single policy."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for title in ("policies", "task"):
        table.add_column(title, overflow="fold")
    for title in ("only the first", "only the second", "difference", "95% CI", "McNemar p"):
        table.add_column(title, justify="right")
    for a, b, task, c in results.comparisons():
        bounds = " to ".join(map(percent_points, c.difference_95))
        counts = str(c.only_a), str(c.only_b)
        table.add_row(f"{a} – {b}", task, *counts, percent_points(c.difference), bounds, p_value(c.p_value))
    if table.row_count:
        Console().print(table)


def print_history(entries: "Sequence[HistoryEntry]") -> None:
    """Show runs of the history, one row each."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("policy", overflow="fold", min_width=8)
    table.add_column("task", no_wrap=True)
    for title in ("episodes", "success", "95% CI", "per s"):
        table.add_column(title, justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(
            entry.started[2:16].replace("T", " "),
            entry.policy,
            entry.task,
            str(entry.episodes),
            percent(entry.success_rate),
            interval(entry.wilson_95),
            "–" if entry.episodes_per_s is None else f"{entry.episodes_per_s:.1f}",
        )
    Console().print(table)


def _table(results: BenchResults) -> "Table":
    from rich.table import Table

    table = Table()
    for title in ("policy", "task", "goal"):
        table.add_column(title, overflow="fold")
    for title in ("episodes", "success", "95% CI", "median time"):
        table.add_column(title, justify="right")
    swapped = bool(results.settings.get("swap_instruction"))
    if swapped:
        table.add_column("success as said", justify="right")
    for suite in results.suites:
        rows = {"all": summarize(suite.records), **summarize_by_goal(suite.records)}
        for goal, summary in rows.items():
            table.add_row(
                suite.policy if goal == "all" else "",
                suite.task if goal == "all" else "",
                goal,
                str(summary.episodes),
                percent(summary.success_rate),
                interval(summary.wilson_95),
                seconds(summary.time_to_success.median_s),
                *([percent(summary.said_success_rate or 0.0)] if swapped else []),
                style="bold" if goal == "all" else "dim",
            )
        table.add_section()
    return table
