"""Terminal output of a benchmark: a progress bar while it runs, tables when it has finished."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from teamvla_envs.console import plain_console, print_table

from teamvla_eval.metrics.failures import END_UNSTABLE
from teamvla_eval.metrics.summary import summarize, summarize_by_goal
from teamvla_eval.report.format import encodable, interval, p_value, percent, percent_points, seconds
from teamvla_eval.results.results import BenchResults
from teamvla_eval.rollout.suite import EpisodeCallback

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from teamvla_eval.metrics.episode_record import EpisodeRecord
    from teamvla_eval.results.history_file import HistoryEntry


@contextmanager
def episode_progress(title: str, episodes: int) -> Generator[EpisodeCallback]:
    """Show a progress bar over episodes on standard error; yields the callback that advances it.

    There is no bar if standard error cannot be written.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[solved]} solved"),
        TimeElapsedColumn(),
    )
    console = plain_console(stderr=True)
    bar = Progress(*columns, console=console)
    task = bar.add_task(printable(title, console.encoding).plain, total=episodes, solved=0)
    solved = 0

    def advance(record: "EpisodeRecord") -> None:
        nonlocal solved
        solved += record.success
        bar.update(task, advance=1, solved=solved)

    with suppress(OSError, UnicodeError):
        bar.start()
    try:
        yield advance
    finally:
        with suppress(OSError, UnicodeError):
            bar.stop()


def print_results(results: BenchResults) -> None:
    """Print the results: one table over policies and tasks, with the goal variants of each."""
    table = _table("policy", "task", "goal")
    swapped = bool(results.settings.get("swap_instruction"))
    unstable = any(record.end_reason == END_UNSTABLE for suite in results.suites for record in suite.records)
    for title in ("episodes", "success", "95% CI", "median time"):
        table.add_column(title, justify="right")
    for title, wanted in (("success (instruction)", swapped), ("unstable", unstable)):
        if wanted:
            table.add_column(title, justify="right")
    for suite in results.suites:
        rows = {"all": summarize(suite.records), **summarize_by_goal(suite.records)}
        for number, (goal, summary) in enumerate(rows.items()):
            _add_row(
                table,
                suite.policy if number == 0 else "",
                suite.task if number == 0 else "",
                goal,
                str(summary.episodes),
                percent(summary.success_rate),
                interval(summary.wilson_95),
                seconds(summary.time_to_success.median_s),
                *([percent(summary.said_success_rate or 0.0)] if swapped else []),
                *([str(summary.unstable)] if unstable else []),
                style="bold" if number == 0 else "dim",
            )
        table.add_section()
    print_table(table)


def print_comparisons(results: BenchResults) -> None:
    """Print the paired comparison of the first policy with each other one; nothing for a single policy."""
    table = _table("policies", "task")
    for title in ("only the first", "only the second", "difference", "95% CI", "McNemar p"):
        table.add_column(title, justify="right")
    for a, b, task, c in results.comparisons():
        bounds = " to ".join(map(percent_points, c.difference_95))
        counts = str(c.only_a), str(c.only_b)
        _add_row(table, f"{a} – {b}", task, *counts, percent_points(c.difference), bounds, p_value(c.p_value))
    if table.row_count:
        print_table(table)


def print_history(entries: "Sequence[HistoryEntry]") -> None:
    """Print runs of the history, one row each."""
    table = _table("when (UTC)", "policy", "task")
    for title in ("episodes", "success", "95% CI", "per s"):
        table.add_column(title, justify="right")
    for entry in entries:
        _add_row(
            table,
            entry.started[2:16].replace("T", " "),
            entry.policy,
            entry.task,
            str(entry.episodes),
            percent(entry.success_rate),
            interval(entry.wilson_95),
            "–" if entry.episodes_per_s is None else f"{entry.episodes_per_s:.1f}",
        )
    print_table(table)


def printable(name: str, encoding: str = "utf-8") -> "Text":
    """Convert a name to text without markup and control characters.

    Args:
        name: The name.
        encoding: Encoding of the terminal.
    """
    from rich.text import Text

    shown = "".join(character if character.isprintable() else "�" for character in name)
    return Text(encodable(shown, encoding))


def _table(*names: str) -> "Table":
    """Make a table whose first columns are names, which are not wrapped."""
    from rich.table import Table

    table = Table()
    for title in names:
        table.add_column(title, no_wrap=True)
    return table


def _add_row(table: "Table", *cells: str, style: str | None = None) -> None:
    """Add a row to a table for standard output."""
    encoding = plain_console().encoding
    table.add_row(*(printable(cell, encoding) for cell in cells), style=style)
