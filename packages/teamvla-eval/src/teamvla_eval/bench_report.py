"""The report of a benchmark: every policy on every task in one HTML file, with plots, videos, tables, the command."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from teamvla_eval.bench_plots import failure_bars, phase_bars, survival_curves
from teamvla_eval.benchmark import BenchRun
from teamvla_eval.clips_html import clip_section
from teamvla_eval.display import interval, p_value, percent, percent_points, seconds, share
from teamvla_eval.metrics import aggregate_results, summarize, summarize_by_goal
from teamvla_eval.page import html_table, render_page
from teamvla_eval.plots import success_bars
from teamvla_eval.protocol import deviations
from teamvla_eval.records import EpisodeRecord
from teamvla_eval.results import BenchResults, write_atomically


def write_bench_report(run: BenchRun, path: Path) -> None:
    """Write the page, complete or not at all."""
    write_atomically(path, render_bench_report(run))


def render_bench_report(run: BenchRun) -> str:
    """The page as HTML text without any reference to something outside of it."""
    results = run.results
    sections = [
        _tiles(results),
        *(_task(run, task) for task in results.tasks),
        _comparisons(results),
        _measured(results),
        _episodes(results),
        _repeat(results),
    ]
    policies = ", ".join(results.policies)
    return render_page(
        eyebrow=results.protocol,
        title=f"{len(results.tasks)} task{'s' * (len(results.tasks) > 1)}, {len(results.policies)} "
        f"polic{'ies' if len(results.policies) > 1 else 'y'}",
        lead=f"{policies}: {_settings(results)}.",
        body="\n".join(sections),
        footer=" · ".join(
            [
                results.started,
                *(f"{name} {version}" for name, version in results.versions.items()),
                *(f"{name} {value}" for name, value in results.git.items()),
                *(f"{name} {value}" for name, value in results.hardware.items()),
            ]
        ),
    )


def _settings(results: BenchResults) -> str:
    settings = results.settings
    text = (
        f"{settings.get('episodes')} episodes per task on seeds of the {settings.get('seed_set')} set, "
        f"split {settings.get('split')}"
    )
    if settings.get("swap_instruction"):
        text += "; the sentence tells another goal than the seed's"
    for name in ("freeze_arm", "drop_messages"):
        if settings.get(name) is not None:
            text += f"; {name.replace('_', ' ')} {settings[name]}"
    return text + ("; the cameras show black" if settings.get("blind") else "")


def _tiles(results: BenchResults) -> str:
    tiles = []
    for policy in results.policies:
        summaries = {suite.task: summarize(suite.records) for suite in results.suites if suite.policy == policy}
        mean = aggregate_results(summaries)
        first = " first" if policy == results.policies[0] else ""
        by_task = " · ".join(f"{task} {percent(summary.success_rate)}" for task, summary in summaries.items())
        tiles.append(
            f'<div class="card tile{first}"><span class="name">{escape(policy)}</span>'
            f'<span class="rate">{percent(mean.success_rate)}</span>95%: {interval(mean.interval_95)}<br>'
            f"{escape(by_task)}</div>"
        )
    note = "".join(f"<li>{escape(line)}</li>" for line in deviations(results))
    note = (
        f'<p class="small">This run deviates from {escape(results.protocol)}:</p><ul class="small">{note}</ul>'
        if note
        else ""
    )
    return f'<div class="tiles">{"".join(tiles)}</div>{note}'


def _task(run: BenchRun, task: str) -> str:
    results = run.results
    suites = {policy: results.suite(policy, task).records for policy in results.policies}
    summaries = {policy: summarize(records) for policy, records in suites.items()}
    first = results.policies[0]
    by_goal = {goal.replace("_", " "): summary for goal, summary in summarize_by_goal(suites[first]).items()}
    horizon = max((record.time_to_success_s or 0.0 for records in suites.values() for record in records), default=0.0)
    plots = {
        "Success": success_bars(summaries, [first]),
        f"Success by goal ({first})": success_bars(by_goal, list(by_goal)),
        "Not solved yet": survival_curves(suites, max(horizon * 1.05, 1.0)),
        "Phase reached": phase_bars(suites, run.phases[task]),
        "Failures": failure_bars(suites),
    }
    if any(summary.said_success_rate is not None for summary in summaries.values()):
        plots["Success under the goal that was said"] = html_table(
            ["policy", "seed's goal", "said goal"],
            [[p, percent(s.success_rate), percent(s.said_success_rate or 0.0)] for p, s in summaries.items()],
            numeric=1,
        )
    cards = "".join(
        f'<figure class="card"><h3>{escape(title)}</h3>{drawing}</figure>' for title, drawing in plots.items()
    )
    clips = [clip for clip in run.clips if clip.episode.task == task]
    return (
        f"<h2>{escape(task.capitalize())}</h2><p>Whiskers and bands are 95% Wilson intervals.</p>"
        f'<div class="plots">{cards}</div>{clip_section(clips)}'
    )


def _comparisons(results: BenchResults) -> str:
    rows = [
        [
            f"{a} – {b}", task, str(c.both), str(c.only_a), str(c.only_b), str(c.neither),
            percent_points(c.difference), " to ".join(map(percent_points, c.difference_95)), p_value(c.p_value),
            "–" if c.time_difference_s is None else f"{c.time_difference_s:+.2f} s".replace("-", "−"),
        ]
        for a, b, task, c in results.comparisons()
    ]  # fmt: skip
    if not rows:
        return ""
    head = [
        "policies", "task", "both", "first only", "second only", "neither", "difference", "95%", "McNemar p", "time",
    ]  # fmt: skip
    return (
        "<h2>Episode by episode</h2><p>The same seeds for both: how often only one solved the episode, the difference "
        "of success in percent points with its bootstrap interval, and the exact McNemar test. Time is the mean "
        "difference "
        f"where both solved it.</p>{html_table(head, rows, numeric=2)}"
    )


def _measured(results: BenchResults) -> str:
    rows = []
    for suite in results.suites:
        s = summarize(suite.records)
        rows.append(
            [
                suite.policy, suite.task, percent(s.success_rate), interval(s.wilson_95),
                seconds(s.time_to_success.median_s), share(s.coordination_score), f"{s.collision_cost:.2f}",
                f"{s.dropped_objects:.2f}", " / ".join(f"{time:.1f}" for time in s.idle_time_s) or "–",
                f"{s.action_change:.3f}", f"{s.energy:.0f}",
                "–" if not suite.wall_s else f"{s.episodes / suite.wall_s:.1f}",
            ]
        )  # fmt: skip
    head = [
        "policy", "task", "success", "95%", "median time", "coordination", "collision [N·s]", "dropped", "idle [s]",
        "action change", "energy [J]", "episodes/s",
    ]  # fmt: skip
    return f"<h2>All figures</h2><p>Means per episode.</p>{html_table(head, rows, numeric=2)}"


def _episodes(results: BenchResults) -> str:
    tables = []
    for task in results.tasks:
        columns = [results.suite(policy, task).records for policy in results.policies]
        rows = [
            [str(row[0].seed), row[0].instruction, *(_outcome(record) for record in row)]
            for row in zip(*columns, strict=True)
        ]
        table = html_table(["seed", "sentence", *results.policies], rows, numeric=2)
        tables.append(f'<details class="card"><summary>{escape(task)}: {len(rows)} episodes</summary>{table}</details>')
    return f"<h2>Every episode</h2><p>A row is one scene and one sentence.</p>{''.join(tables)}"


def _outcome(record: EpisodeRecord) -> str:
    return f"✓ {seconds(record.time_to_success_s)}" if record.success else f"✗ {record.final_phase}"


def _repeat(results: BenchResults) -> str:
    lines: Sequence[str] = (results.command, "teamvla reproduce results.json")
    return (
        "<h2>Do it again</h2><p>The first command runs it again; the second also compares every episode with "
        f'results.json.</p><div class="card"><pre>{escape(chr(10).join(lines))}</pre></div>'
    )
