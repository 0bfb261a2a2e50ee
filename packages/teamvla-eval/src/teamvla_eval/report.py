"""The report: one HTML file that holds everything it shows, to open from disk or to mail around."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from teamvla_eval.clips_html import clip_section
from teamvla_eval.display import interval, minutes_and_seconds, percent, seconds
from teamvla_eval.metrics import SuccessSummary, summarize, summarize_by_goal
from teamvla_eval.page import read_template, render_page
from teamvla_eval.plots import learning_curve, success_bars
from teamvla_eval.records import EpisodeRecord
from teamvla_eval.results import BenchResults, write_atomically
from teamvla_eval.videos import Clip


@dataclass(frozen=True)
class Training:
    """How a policy was trained.

    Attributes:
        minutes: (L,) training time of each log line [min].
        losses: Label to (L,) losses; None where a line has none.
        stages: What was done and how long each part took [s].
    """

    minutes: Sequence[float]
    losses: Mapping[str, Sequence[float | None]]
    stages: Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """What the page says; the results' first policy is the one it is about.

    Attributes:
        eyebrow: Line above the title.
        title: Headline.
        lead: One or two sentences below it.
        results: All policies on one task, over the same seeds.
        clips: Videos to show.
        commands: Command lines that repeat the work.
        training: How the first policy was trained.
    """

    eyebrow: str
    title: str
    lead: str
    results: BenchResults
    clips: Sequence[Clip] = ()
    commands: Sequence[str] = ()
    training: Training | None = None


def write_report(report: Report, path: Path) -> None:
    """Write the page, complete or not at all."""
    write_atomically(path, render_report(report))


def render_report(report: Report) -> str:
    """The page as HTML text without any reference to something outside of it."""
    suites = report.results.suites
    summaries = {suite.policy: summarize(suite.records) for suite in suites}
    first = suites[0]
    by_goal = {goal.replace("_", " "): summary for goal, summary in summarize_by_goal(first.records).items()}
    body = Template(read_template("report.html")).substitute(
        tiles="\n".join(_tile(policy, summary, policy == first.policy) for policy, summary in summaries.items()),
        protocol=escape(_protocol(report.results)),
        learned=escape(first.policy),
        success_bars=success_bars(summaries, [first.policy]),
        goal_bars=success_bars(by_goal, list(by_goal)),
        clips=clip_section(report.clips),
        training=_training(report.training),
        episode_count=f"{len(first.records)} episodes",
        episodes=_episode_table(report.results),
        commands=escape("\n".join(report.commands or [report.results.command])),
    )
    versions = " · ".join(f"{name} {version}" for name, version in report.results.versions.items())
    return render_page(report.eyebrow, report.title, report.lead, body, versions)


def _tile(policy: str, summary: SuccessSummary, first: bool) -> str:
    figures = f"{summary.successes} of {summary.episodes} · 95%: {interval(summary.wilson_95)}"
    median = summary.time_to_success.median_s
    time = f"median {seconds(median)}" if median is not None else "never solved"
    return (
        f'<div class="card tile{" first" if first else ""}"><span class="name">{escape(policy)}</span>'
        f'<span class="rate">{percent(summary.success_rate)}</span>{figures}<br>{time}</div>'
    )


def _protocol(results: BenchResults) -> str:
    settings = results.settings
    return (
        f"{settings['episodes']} episodes each, on seeds of the {settings['seed_set']} set. "
        "Whiskers are 95% Wilson intervals: the range of true success rates that fit what was counted."
    )


def _training(training: Training | None) -> str:
    if training is None:
        return ""
    rows = "".join(
        f"<tr><td>{escape(stage)}</td><td class=result>{minutes_and_seconds(duration)}</td></tr>"
        for stage, duration in training.stages.items()
    )
    return (
        "<h2>How it learned</h2><p>The validation loss is that of demonstrations kept out of training.</p>"
        f'<div class="plots"><figure class="card"><h3>Learning curve</h3>'
        f"{learning_curve(training.minutes, training.losses)}</figure>"
        f'<div class="card"><h3>Where the time went</h3><table>{rows}</table></div></div>'
    )


def _episode_table(results: BenchResults) -> str:
    policies = [escape(suite.policy) for suite in results.suites]
    head = "".join(f"<th>{name}</th>" for name in ("seed", "sentence", *policies))
    rows = zip(*(suite.records for suite in results.suites), strict=True)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_episode_row, rows))}</tbody></table>"


def _episode_row(records: Iterable[EpisodeRecord]) -> str:
    records = list(records)
    cells = "".join(_result_cell(record) for record in records)
    return f"<tr><td>{records[0].seed}</td><td>{escape(records[0].instruction)}</td>{cells}</tr>"


def _result_cell(record: EpisodeRecord) -> str:
    if record.success:
        return f'<td class="result">✓ {seconds(record.time_to_success_s)}</td>'
    return f'<td class="result failure">✗ {escape(record.final_phase)}</td>'
