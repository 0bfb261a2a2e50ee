"""HTML page of the history: success and speed over runs by task, and a table of all runs."""

from collections.abc import Sequence
from typing import Any

from teamvla_eval.report.bench_plots import speed_over_time, success_over_time
from teamvla_eval.report.format import interval, percent, seconds
from teamvla_eval.report.html import render_page
from teamvla_eval.results.history_file import HistoryEntry

# Settings that make runs comparable; runs with other values are drawn separately.
_SAME = (
    "seed_set", "num_arms", "randomization", "split", "freeze_arm", "drop_messages", "swap_instruction", "blind",
)  # fmt: skip
_SHOWN_VERSIONS = ("teamvla-envs", "newton", "mujoco")


def render_history(entries: Sequence[HistoryEntry]) -> str:
    """Render the page as self-contained HTML.

    Args:
        entries: Oldest first, at least one.
    """
    groups: dict[tuple[str, str], list[HistoryEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.task, _conditions(entry)), []).append(entry)
    sections = [
        {
            "task": task,
            "conditions": conditions,
            "success": success_over_time(group),
            "speed": speed_over_time(group),
        }
        for (task, conditions), group in groups.items()
    ]
    runs = len({entry.started for entry in entries})
    return render_page(
        "history.html",
        eyebrow="TeamVLA history",
        title=f"{runs} run{'s' * (runs != 1)}",
        lead="Success with 95% Wilson intervals and speed, run by run. A dotted line marks a change of versions.",
        footer=f"{entries[0].started} to {entries[-1].started}",
        sections=sections,
        rows=_rows(entries),
    )


def _conditions(entry: HistoryEntry) -> str:
    shown = {name: entry.settings.get(name) for name in _SAME}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items() if _matters(value))


def _matters(value: Any) -> bool:
    return value is not None and value is not False


def _rows(entries: Sequence[HistoryEntry]) -> list[list[str]]:
    return [
        [
            e.started[:16].replace("T", "\u00a0"), e.policy, e.task, str(e.episodes), percent(e.success_rate),
            interval(e.wilson_95), seconds(e.time_to_success_s),
            "–" if e.episodes_per_s is None else f"{e.episodes_per_s:.1f}", e.commit[:7],
            " ".join(f"{name} {e.versions[name]}" for name in _SHOWN_VERSIONS if name in e.versions),
        ]
        for e in reversed(entries)
    ]  # fmt: skip
