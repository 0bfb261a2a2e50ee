"""Report of the quickstart: one self-contained HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from teamvla_eval.metrics.summary import summarize, summarize_by_goal
from teamvla_eval.report.html import render_page
from teamvla_eval.report.plots import learning_curve, success_bars
from teamvla_eval.report.videos import Clip
from teamvla_eval.results.results import BenchResults


@dataclass(frozen=True)
class Training:
    """Training of a policy.

    Attributes:
        minutes: (L,) training time of each log line [min].
        losses: Label to (L,) losses; None where a line has none.
        stages: Name of each stage to its duration [s].
    """

    minutes: Sequence[float]
    losses: Mapping[str, Sequence[float | None]]
    stages: Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """Content of the report; the first policy of the results is its subject.

    Attributes:
        eyebrow: Line above the title.
        title: Headline.
        lead: One or two sentences below it.
        results: All policies on one task, over the same seeds.
        clips: Videos to show.
        commands: Command lines that repeat the work.
        training: Training of the first policy.
    """

    eyebrow: str
    title: str
    lead: str
    results: BenchResults
    clips: Sequence[Clip] = ()
    commands: Sequence[str] = ()
    training: Training | None = None


def render_report(report: Report) -> str:
    """Render the page as self-contained HTML."""
    results, training = report.results, report.training
    summaries = {suite.policy: summarize(suite.records) for suite in results.suites}
    first = results.suites[0]
    by_goal = {goal.replace("_", " "): summary for goal, summary in summarize_by_goal(first.records).items()}
    return render_page(
        "report.html",
        eyebrow=report.eyebrow,
        title=report.title,
        lead=report.lead,
        footer=" · ".join(f"{name} {version}" for name, version in results.versions.items()),
        first=first.policy,
        summaries=summaries,
        settings=results.settings,
        success_bars=success_bars(summaries, [first.policy]),
        goal_bars=success_bars(by_goal, list(by_goal)),
        clips=report.clips,
        training=training,
        learning_curve=None if training is None else learning_curve(training.minutes, training.losses),
        episodes=list(zip(*(suite.records for suite in results.suites), strict=True)),
        commands=report.commands or [results.command],
    )
