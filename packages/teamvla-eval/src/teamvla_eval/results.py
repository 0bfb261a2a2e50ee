"""Benchmark results: the schema of ``results.json``, its Markdown table, and writing both safely.

``results.json`` (schema version 1) holds

- ``schema_version``, ``command`` (repeats the run), ``versions`` and ``settings``;
- ``policy`` and ``tasks``: the first policy of the command and its figures per task. Each task has
  ``episodes``, ``successes``, ``success_rate``, ``wilson_95`` ([low, high]), ``time_to_success_s`` (median
  over the successful episodes, null without one), ``time_to_success_mean_s``, ``mean_return``, and under
  ``goals`` the same per goal variant;
- ``policies``: policy name to such a ``tasks`` object, for every policy of the command;
- ``episodes``: one record per episode with ``policy``, ``task``, ``seed``, ``goal``, ``instruction``,
  ``success``, ``steps``, ``time_to_success_s``, ``return`` and ``final_phase``.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_eval.display import interval, percent, seconds
from teamvla_eval.metrics import SuccessSummary, summarize, summarize_by_goal
from teamvla_eval.records import EpisodeRecord

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Suite:
    """All episodes of one policy on one task.

    Attributes:
        policy: Name of the policy as the user gave it, e.g. ``"expert"`` or ``"runs/x"``.
        task: Task name.
        records: One record per seed, in seed order.
    """

    policy: str
    task: str
    records: tuple[EpisodeRecord, ...]


@dataclass(frozen=True)
class BenchResults:
    """Everything a benchmark run found.

    Attributes:
        command: The command that repeats it.
        versions: Distribution name to installed version.
        settings: Settings that all suites share, e.g. seed set and number of arms.
        suites: Policy-major, in the order of the command.
    """

    command: str
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    suites: tuple[Suite, ...]
    schema_version: int = field(default=SCHEMA_VERSION, init=False)

    @property
    def policies(self) -> tuple[str, ...]:
        """Policy names without repetition, in the order of the command."""
        return tuple(dict.fromkeys(suite.policy for suite in self.suites))

    def suite(self, policy: str, task: str) -> Suite:
        """The episodes of one policy on one task.

        Raises:
            KeyError: If this policy did not run on this task.
        """
        for suite in self.suites:
            if (suite.policy, suite.task) == (policy, task):
                return suite
        raise KeyError(f"no results of policy {policy!r} on task {task!r}")

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        policies: dict[str, dict[str, Any]] = {}
        for suite in self.suites:
            policies.setdefault(suite.policy, {})[suite.task] = _task_figures(suite.records)
        first = self.policies[0] if self.policies else ""
        return {
            "schema_version": self.schema_version,
            "command": self.command,
            "versions": dict(self.versions),
            "settings": dict(self.settings),
            "policy": first,
            "tasks": policies.get(first, {}),
            "policies": policies,
            "episodes": [
                {"policy": suite.policy, **record.to_json()} for suite in self.suites for record in suite.records
            ],
        }


def results_from_json(values: Mapping[str, Any]) -> BenchResults:
    """Inverse of :meth:`BenchResults.to_json`.

    Raises:
        ValueError: If the values are not results of this schema version.
    """
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"results have schema_version {version!r}, expected {SCHEMA_VERSION}")
    try:
        episodes: dict[tuple[str, str], list[EpisodeRecord]] = {}
        for policy, tasks in values["policies"].items():
            episodes.update({(policy, task): [] for task in tasks})
        for values_of_episode in values["episodes"]:
            record = EpisodeRecord.from_json(values_of_episode)
            episodes[values_of_episode["policy"], record.task].append(record)
        return BenchResults(
            command=values["command"],
            versions=values["versions"],
            settings=values["settings"],
            suites=tuple(Suite(policy, task, tuple(records)) for (policy, task), records in episodes.items()),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"results lack or misspell {error}") from error


def markdown_table(results: BenchResults) -> str:
    """The results as Markdown: a table over policies and tasks, one over goals, and how to repeat them."""
    lines = [
        "| policy | task | episodes | success | 95% interval | time to success (median) |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [_row((suite.policy, suite.task), summarize(suite.records)) for suite in results.suites]
    lines += [
        "",
        "| policy | task | goal | episodes | success | 95% interval | time to success (median) |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for suite in results.suites:
        for goal, summary in summarize_by_goal(suite.records).items():
            lines.append(_row((suite.policy, suite.task, goal), summary))
    settings = ", ".join(f"{key} = {value}" for key, value in results.settings.items())
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    notes = [f"Command: `{results.command}`", f"Settings: {settings}", f"Versions: {versions}"]
    return "\n".join(lines) + "\n\n" + "\n\n".join(notes) + "\n"


def check_folder(out: Path) -> None:
    """Make sure, before the work begins, that results can be written into a folder.

    Raises:
        UserError: If the path is a file or cannot be written.
    """
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UserError(f"out is {out}, but {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"out is {out}, but {existing} cannot be written")


def write_results(results: BenchResults, folder: Path) -> None:
    """Write ``results.json`` and ``results.md`` into a folder, each complete or not at all.

    Args:
        results: What to write.
        folder: Created when it does not exist; files of an earlier run are replaced.
    """
    text = json.dumps(results.to_json(), indent=2, allow_nan=False) + "\n"
    table = markdown_table(results)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "results.json", text)
    write_atomically(folder / "results.md", table)


def read_results(path: Path) -> BenchResults:
    """Read a ``results.json``.

    Raises:
        ValueError: If the file is not a results file of this schema version.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a results file")
    try:
        return results_from_json(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader finds the old content or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _task_figures(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    figures = _figures(summarize(records))
    figures["goals"] = {goal: _figures(summary) for goal, summary in summarize_by_goal(records).items()}
    return figures


def _figures(summary: SuccessSummary) -> dict[str, Any]:
    return {
        "episodes": summary.episodes,
        "successes": summary.successes,
        "success_rate": summary.success_rate,
        "wilson_95": list(summary.wilson_95),
        "time_to_success_s": summary.time_to_success.median_s,
        "time_to_success_mean_s": summary.time_to_success.mean_s,
        "mean_return": summary.mean_return,
    }


def _row(names: Sequence[str], summary: SuccessSummary) -> str:
    cells = [
        *names,
        str(summary.episodes),
        percent(summary.success_rate),
        interval(summary.wilson_95),
        seconds(summary.time_to_success.median_s),
    ]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
