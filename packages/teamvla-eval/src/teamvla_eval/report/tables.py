"""Results as tables: Markdown to read, LaTeX for a paper, CSV with one row per episode."""

import csv
import io
from collections.abc import Sequence
from string import Template
from typing import Any

from teamvla_eval.metrics.episode_record import record_keys
from teamvla_eval.metrics.summary import SuccessSummary, aggregate_results, summarize, summarize_by_goal
from teamvla_eval.metrics.table import summarized_metrics
from teamvla_eval.report.escaping import csv_cell, latex, markdown, markdown_code, single_line
from teamvla_eval.report.format import interval, p_value, percent, percent_points, seconds
from teamvla_eval.report.html import read_template
from teamvla_eval.results.results import BenchResults


def markdown_table(results: BenchResults) -> str:
    """Format results as Markdown: success by policy, task and goal, metrics, comparisons, and the command."""
    template = Template(read_template("results.md"))
    compared = _compared(results)
    return template.substitute(
        protocol=markdown(results.protocol),
        policies="\n".join(_row((suite.policy, suite.task), summarize(suite.records)) for suite in results.suites),
        goals="\n".join(
            _row((suite.policy, suite.task, goal), summary)
            for suite in results.suites
            for goal, summary in summarize_by_goal(suite.records).items()
        ),
        measured_head=_measured_head(),
        measured="\n".join(_measured(suite.policy, suite.task, summarize(suite.records)) for suite in results.suites),
        comparisons="".join(f"\n{table}\n" for table in (_by_instruction(results), compared) if table),
        command=markdown_code(results.command),
        settings=markdown(", ".join(f"{key} = {value}" for key, value in results.settings.items())),
        versions=markdown(", ".join(f"{name} {version}" for name, version in results.versions.items())),
        git=markdown(_git(results)),
        hardware=markdown(", ".join(f"{key} = {value}" for key, value in results.hardware.items()) or "not recorded"),
    )


def latex_table(results: BenchResults) -> str:
    """Format a table for a paper (package ``booktabs``): one row per policy with success and interval by task."""
    template = Template(read_template("results.tex"))
    rows = []
    for policy in results.policies:
        summaries = {s.task: summarize(s.records) for s in results.suites if s.policy == policy}
        cells = [_latex_cell(summaries[task].success_rate, summaries[task].wilson_95) for task in results.tasks]
        mean = aggregate_results(summaries)
        if len(results.tasks) > 1:
            cells.append(_latex_cell(mean.success_rate, mean.interval_95))
        rows.append(" & ".join([latex(policy), *cells]) + r" \\")
    columns = [*map(str.capitalize, results.tasks), *(["Mean"] if len(results.tasks) > 1 else [])]
    return template.substitute(
        columns="l" + "c" * len(columns),
        head=" & ".join(["Policy", *map(latex, columns)]) + r" \\",
        rows="\n".join(rows),
        protocol=latex(results.protocol),
        episodes=latex(str(results.settings.get("episodes", ""))),
        seed_set=latex(str(results.settings.get("seed_set", ""))),
        split=latex(str(results.settings.get("split", ""))),
        teamvla=latex(results.versions.get("teamvla-envs", "")),
        newton=latex(results.versions.get("newton", "")),
        mujoco=latex(results.versions.get("mujoco", "")),
        command=single_line(results.command),
    )


def episodes_csv(results: BenchResults) -> str:
    """Format one row per episode with the fields of its record; numbers per arm are joined by semicolons.

    Texts that a spreadsheet would interpret as a formula begin with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, ["policy", *record_keys()], lineterminator="\n")
    writer.writeheader()
    for suite in results.suites:
        for record in suite.records:
            writer.writerow({name: _csv_value(v) for name, v in {"policy": suite.policy, **record.to_json()}.items()})
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(map(repr, value))
    return csv_cell(value) if isinstance(value, str) else value


def _row(names: Sequence[str], summary: SuccessSummary) -> str:
    return _cells(
        *names,
        str(summary.episodes),
        percent(summary.success_rate),
        interval(summary.wilson_95),
        seconds(summary.time_to_success.median_s),
    )


def _measured_head() -> str:
    titles = ["policy", "task", *(metric.header for metric in summarized_metrics()), "unstable"]
    return f"| {' | '.join(titles)} |\n|---|---|{'---:|' * (len(titles) - 2)}"


def _measured(policy: str, task: str, summary: SuccessSummary) -> str:
    return _cells(
        policy,
        task,
        *(metric.format(summary.metrics[metric.name]) for metric in summarized_metrics()),
        str(summary.unstable),
    )


def _compared(results: BenchResults) -> str:
    rows = [
        _cells(
            f"{a} – {b}", task, str(c.only_a), str(c.only_b),
f"{percent_points(c.difference)} ({' to '.join(map(percent_points, c.difference_95))})",
            p_value(c.p_value),
        )
        for a, b, task, c in results.comparisons()
    ]  # fmt: skip
    if not rows:
        return ""
    head = ["| policies | task | solved by the first only | by the second only | difference (95%) | McNemar p |"]
    return "\n".join([*head, "|---|---|---:|---:|---:|---:|", *rows])


def _by_instruction(results: BenchResults) -> str:
    rows = []
    for suite in results.suites:
        summary = summarize(suite.records)
        if summary.said_success_rate is not None:
            rates = summary.success_rate, summary.said_success_rate
            rows.append(_cells(suite.policy, suite.task, *map(percent, rates)))
    if not rows:
        return ""
    return "\n".join(
        [
            "| policy | task | success (goal of the seed) | success (goal of the instruction) |",
            "|---|---|---:|---:|",
            *rows,
        ]
    )


def _cells(*cells: str) -> str:
    return "| " + " | ".join(map(markdown, cells)) + " |"


def _git(results: BenchResults) -> str:
    if not results.git:
        return "not in a repository"
    return f"{results.git.get('commit', '')}{' with changes' if results.git.get('dirty') else ''}"


def _latex_cell(rate: float, bounds: tuple[float, float]) -> str:
    low, high = bounds
    return rf"{100 * rate:.1f} {{\scriptsize [{100 * low:.1f}, {100 * high:.1f}]}}"
