"""Plots of a benchmark: success over time, phases reached, failure reasons, and the history of runs."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.metrics.failures import failure_counts
from teamvla_eval.metrics.summary import success_at
from teamvla_eval.report.plots import LINE, MUTED, SERIES, draw_svg, short_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

    from teamvla_eval.results.history_file import HistoryEntry

Suites = Mapping[str, Sequence[EpisodeRecord]]  # policy to its episodes of one task


def survival_curves(suites: Suites, horizon_s: float) -> Markup:
    """Share of unsolved episodes over simulated time, with 95% bands; an ``<svg>`` element.

    Args:
        suites: Policy to its episodes.
        horizon_s: End of the time axis [s].
    """

    def draw(axes: "Axes") -> None:
        for number, (policy, records) in enumerate(suites.items()):
            solved = {record.time_to_success_s for record in records if record.time_to_success_s is not None}
            times = [0.0, *sorted(solved), horizon_s]
            rates = [success_at(records, time) for time in times]
            left = [100 * (1 - rate) for rate, _ in rates]
            low, high = ([100 * (1 - bounds[side]) for _, bounds in rates] for side in (1, 0))
            color = SERIES[number % len(SERIES)]
            axes.fill_between(times, low, high, step="post", color=color, alpha=0.15, lw=0)
            axes.step(times, left, where="post", color=color, lw=1.8, label=policy)
        axes.set_xlim(0, horizon_s)
        axes.set_ylim(-2, 102)
        axes.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        axes.set_xlabel("simulated seconds")
        _legend(axes)

    return draw_svg("Unsolved episodes over time", 2.6 + _legend_growth(suites), draw)


def phase_bars(suites: Suites, phases: Sequence[str]) -> Markup:
    """Share of episodes that reached each phase or a later one; an ``<svg>`` element.

    Args:
        suites: Policy to its episodes.
        phases: The task's phases, in order.
    """
    rank = {phase: number for number, phase in enumerate(phases)}
    shares = {}
    for policy, records in suites.items():
        furthest = np.array([rank.get(record.metrics["furthest_phase"], -1) for record in records])
        shares[policy] = [100 * float(np.mean(furthest >= k)) for k in range(len(phases))]

    def draw(axes: "Axes") -> None:
        _grouped_bars(axes, phases, shares)
        axes.set_xlim(0, 103)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        _legend(axes)

    return draw_svg("Share of episodes that reached each phase", 0.7 + _bars_height(phases, suites), draw)


def failure_bars(suites: Suites) -> Markup:
    """Number of failed episodes by reason; an ``<svg>`` element, or a text if none failed."""
    counts = {policy: failure_counts(records) for policy, records in suites.items()}
    kinds = sorted({kind for of_policy in counts.values() for kind in of_policy})
    if not kinds:
        return Markup('<p class="small">No episode failed.</p>')
    from matplotlib.ticker import MaxNLocator

    def draw(axes: "Axes") -> None:
        values = {policy: [of_policy.get(kind, 0) for kind in kinds] for policy, of_policy in counts.items()}
        for bar in _grouped_bars(axes, kinds, values):
            if count := round(bar.get_width()):
                end = count, bar.get_y() + bar.get_height() / 2
                axes.annotate(str(count), end, (4, 0), textcoords="offset points", va="center", size=8)
        axes.margins(x=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("episodes")
        _legend(axes)

    return draw_svg("Failures by reason", 0.9 + _bars_height(kinds, suites), draw)


def success_over_time(entries: "Sequence[HistoryEntry]") -> Markup:
    """Success rates with 95% whiskers over runs, with a dotted line at changes of versions; an ``<svg>`` element.

    Args:
        entries: Runs of one task, oldest first.
    """

    def draw(axes: "Axes") -> None:
        runs = _runs(entries)
        for policy, color in _colors(entries).items():
            mine = [entry for entry in entries if entry.policy == policy]
            places = [runs[entry.started] for entry in mine]
            rates = [100 * entry.success_rate for entry in mine]
            below = [100 * (entry.success_rate - entry.wilson_95[0]) for entry in mine]
            above = [100 * (entry.wilson_95[1] - entry.success_rate) for entry in mine]
            style: dict[str, Any] = {"color": color, "lw": 1.4, "marker": "o", "ms": 3.5, "label": policy}
            axes.errorbar(places, rates, yerr=[below, above], elinewidth=0.8, **style)
        axes.set_ylim(-3, 103)
        axes.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        _run_axis(axes, entries)
        _legend(axes)

    return draw_svg("Success over runs", 2.6 + _legend_growth(_colors(entries)), draw)


def speed_over_time(entries: "Sequence[HistoryEntry]") -> Markup:
    """Episodes per second of wall-clock time over runs; an ``<svg>`` element.

    Args:
        entries: Runs of one task, oldest first.
    """

    def draw(axes: "Axes") -> None:
        runs = _runs(entries)
        for policy, color in _colors(entries).items():
            timed = [(runs[e.started], e.episodes_per_s) for e in entries if e.policy == policy and e.episodes_per_s]
            if timed:
                axes.plot(*zip(*timed, strict=True), color=color, lw=1.4, marker="o", ms=3.5, label=policy)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("episodes / s")
        _run_axis(axes, entries)
        _legend(axes)

    return draw_svg("Speed over runs", 2.6 + _legend_growth(_colors(entries)), draw)


def _grouped_bars(axes: "Axes", rows: Sequence[str], values: Mapping[str, Sequence[float]]) -> "list[Rectangle]":
    """Draw horizontal bars, one of each policy in every row; the values of a policy are ``(rows,)``."""
    bars: list[Rectangle] = []
    thickness = 0.8 / len(values)
    for number, (policy, lengths) in enumerate(values.items()):
        places = np.arange(len(rows)) + (number - (len(values) - 1) / 2) * thickness
        color = SERIES[number % len(SERIES)]
        bars += axes.barh(places, lengths, thickness * 0.9, color=color, label=policy, alpha=0.85)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return bars


def _bars_height(rows: Sequence[str], suites: Suites) -> float:
    """Height of grouped bars with their legend [in]."""
    return len(rows) * (0.16 + 0.1 * len(suites)) + 0.2 * (len(suites) > 1) + _legend_growth(suites)


def _runs(entries: "Sequence[HistoryEntry]") -> dict[str, int]:
    return {started: number for number, started in enumerate(dict.fromkeys(entry.started for entry in entries))}


def _colors(entries: "Sequence[HistoryEntry]") -> dict[str, str]:
    policies = dict.fromkeys(entry.policy for entry in entries)
    return {policy: SERIES[number % len(SERIES)] for number, policy in enumerate(policies)}


def _run_axis(axes: "Axes", entries: "Sequence[HistoryEntry]") -> None:
    """Runs at equal distances, some of them with their date; lines where a version changed."""
    runs = _runs(entries)
    versions = {entry.started: tuple(sorted(entry.versions.items())) for entry in entries}
    stamps = list(runs)
    for before, after in pairwise(stamps):
        if versions[before] != versions[after]:
            axes.axvline(runs[after] - 0.5, color=LINE, ls=":", lw=1.2)
    shown = sorted({round(place) for place in np.linspace(0, len(stamps) - 1, min(len(stamps), 5))})
    axes.set_xticks(shown, [_day(stamps[place]) for place in shown])
    axes.set_xlim(-0.5, len(stamps) - 0.5)


def _day(started: str) -> str:
    try:
        return datetime.fromisoformat(started).strftime("%d %b\n%H:%M")
    except ValueError:
        return started[:16]


def _legend(axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        style: dict[str, Any] = {"frameon": False, "labelcolor": MUTED, "handlelength": 1.2, "fontsize": 8.5}
        style |= {"ncols": _legend_columns(labels), "borderpad": 0, "bbox_to_anchor": (-0.02, 1.0)}
        axes.legend(handles, [short_label(label) for label in labels], loc="lower left", **style)


def _legend_columns(labels: Collection[str]) -> int:
    """Number of legend columns that fit into the width of a plot, at most three."""
    longest = max(len(short_label(label)) for label in labels)
    return int(np.clip(320 / (5.5 * longest + 34), 1, 3))  # [pt]: the plot, a character, the rest of a column


def _legend_growth(labels: Collection[str]) -> float:
    """Height of the legend's rows after the first [in]."""
    return 0.17 * (math.ceil(len(labels) / _legend_columns(labels)) - 1) if labels else 0.0
