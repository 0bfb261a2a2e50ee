"""HTML report of a benchmark: plots, videos and tables of every policy on every task, in one file."""

from collections.abc import Mapping, Sequence
from typing import Any

from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.metrics.failures import outcome
from teamvla_eval.metrics.summary import MeanSuccess, aggregate_results, summarize, summarize_by_goal
from teamvla_eval.metrics.table import summarized_metrics
from teamvla_eval.report.bench_plots import failure_bars, phase_bars, survival_curves
from teamvla_eval.report.format import interval, p_value, percent, percent_points, seconds
from teamvla_eval.report.html import render_page
from teamvla_eval.report.plots import success_bars
from teamvla_eval.report.videos import Clip
from teamvla_eval.results.protocol import deviations
from teamvla_eval.results.results import BenchResults

Phases = Mapping[str, Sequence[str]]


def render_bench_report(results: BenchResults, phases: Phases, clips: Sequence[Clip] = ()) -> str:
    """Render the report as one self-contained HTML page.

    Args:
        results: The results of the run.
        phases: Task to the names of its phases, in order.
        clips: Videos of some episodes.
    """
    policies = ", ".join(results.policies)
    return render_page(
        "bench_report.html",
        eyebrow=results.protocol,
        title=f"{len(results.tasks)} task{'s' * (len(results.tasks) > 1)}, {len(results.policies)} "
        f"polic{'ies' if len(results.policies) > 1 else 'y'}",
        lead=f"{policies}: {_settings(results)}.",
        footer=" · ".join(
            [
                results.started,
                *(f"{name} {version}" for name, version in results.versions.items()),
                *(f"{name} {value}" for name, value in results.git.items()),
                *(f"{name} {value}" for name, value in results.hardware.items()),
            ]
        ),
        protocol=results.protocol,
        policies=list(results.policies),
        tiles=[_tile(results, policy) for policy in results.policies],
        deviations=deviations(results),
        tasks=[_task(results, task, phases[task], clips) for task in results.tasks],
        comparisons=_comparisons(results),
        metric_headers=[metric.header for metric in summarized_metrics()],
        measured=_measured(results),
        command=results.command,
    )


def _settings(results: BenchResults) -> str:
    settings = results.settings
    text = (
        f"{settings.get('episodes')} episodes per task on seeds of the {settings.get('seed_set')} set, "
        f"split {settings.get('split')}"
    )
    if settings.get("swap_instruction"):
        text += "; the instruction names another goal than the seed's"
    for name in ("freeze_arm", "drop_messages"):
        if settings.get(name) is not None:
            text += f"; {name.replace('_', ' ')} {settings[name]}"
    return text + ("; the camera images are black" if settings.get("blind") else "")


def _tile(results: BenchResults, policy: str) -> tuple[str, MeanSuccess, str]:
    """Policy, its mean success, and its success on each task as one line."""
    summaries = {suite.task: summarize(suite.records) for suite in results.suites if suite.policy == policy}
    by_task = " · ".join(f"{task} {percent(summary.success_rate)}" for task, summary in summaries.items())
    return policy, aggregate_results(summaries), by_task


def _task(results: BenchResults, task: str, phases: Sequence[str], clips: Sequence[Clip]) -> dict[str, Any]:
    """Template values of the section of a task."""
    suites = {policy: results.suite(policy, task).records for policy in results.policies}
    summaries = {policy: summarize(records) for policy, records in suites.items()}
    first = results.policies[0]
    by_goal = {goal.replace("_", " "): summary for goal, summary in summarize_by_goal(suites[first]).items()}
    horizon = max((record.time_to_success_s or 0.0 for records in suites.values() for record in records), default=0.0)
    plots = {
        "Success": success_bars(summaries, [first]),
        f"Success by goal ({first})": success_bars(by_goal, list(by_goal)),
        "Unsolved episodes over time": survival_curves(suites, max(horizon * 1.05, 1.0)),
        "Phase reached": phase_bars(suites, phases),
        "Failures": failure_bars(suites),
    }
    said = [(p, percent(s.success_rate), percent(s.said_success_rate or 0.0)) for p, s in summaries.items()]
    return {
        "name": task,
        "plots": plots,
        "said": said if any(s.said_success_rate is not None for s in summaries.values()) else [],
        "clips": [clip for clip in clips if clip.episode.task == task],
        "episodes": [
            [str(row[0].seed), row[0].instruction, *map(_outcome, row)] for row in zip(*suites.values(), strict=True)
        ],
    }


def _comparisons(results: BenchResults) -> list[list[str]]:
    return [
        [
            f"{a} – {b}", task, str(c.both), str(c.only_a), str(c.only_b), str(c.neither),
            percent_points(c.difference), " to ".join(map(percent_points, c.difference_95)), p_value(c.p_value),
            "–" if c.time_difference_s is None else f"{c.time_difference_s:+.2f} s".replace("-", "−"),
        ]
        for a, b, task, c in results.comparisons()
    ]  # fmt: skip


def _measured(results: BenchResults) -> list[list[str]]:
    rows = []
    for suite in results.suites:
        s = summarize(suite.records)
        rows.append(
            [
                suite.policy, suite.task, percent(s.success_rate), interval(s.wilson_95),
                seconds(s.time_to_success.median_s),
                *(metric.format(s.metrics[metric.name]) for metric in summarized_metrics()), str(s.unstable),
                "–" if not suite.wall_s else f"{s.episodes / suite.wall_s:.1f}",
            ]
        )  # fmt: skip
    return rows


def _outcome(record: EpisodeRecord) -> str:
    return f"✓ {seconds(record.time_to_success_s)}" if record.success else f"✗ {outcome(record)}"
