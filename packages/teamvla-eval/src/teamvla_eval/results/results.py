"""Benchmark results: content of ``results.json``, and validated reading.

``results.json`` (schema version 2) holds

- ``schema_version``, ``protocol``, ``command`` (repeats the run), ``started`` (UTC), ``versions``, ``git``,
  ``hardware`` and ``settings``;
- ``policy`` and ``tasks``: the first policy of the command and its figures per task. Each task has
  ``episodes``, ``successes``, ``success_rate``, ``wilson_95`` ([low, high]), ``time_to_success_s`` (median
  over the successful episodes, null without one), ``time_to_success_mean_s``, ``mean_return``, the means of the
  measured metrics, ``wall_s`` (wall-clock time of the episodes), and under ``goals`` the same per goal variant;
- ``policies``: policy name to such a ``tasks`` object, for every policy of the command;
- ``comparisons``: the first policy against each other one, per task, on the same episodes;
- ``episodes``: one record per episode, ``policy`` and the fields of :class:`EpisodeRecord`.

A file is checked when it is read, key by key, and its figures are computed again from its episodes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_eval.metrics.comparison import Comparison, compare
from teamvla_eval.metrics.episode_record import EpisodeRecord, Suite
from teamvla_eval.metrics.summary import SuccessSummary, summarize, summarize_by_goal
from teamvla_eval.results.schema import MAX_BYTES, SCHEMA_VERSION, check_results, optional_keys

PROTOCOL = "TeamVLA-Bench v0"


@dataclass(frozen=True)
class BenchResults:
    """Results of a benchmark run.

    Attributes:
        command: Command that repeats the run.
        versions: Distribution name to installed version.
        settings: Settings that all suites share, e.g. seed set and number of arms.
        suites: Policy-major, in the order of the command.
        git: ``commit`` and ``dirty`` of the working tree; empty outside of a repository.
        hardware: Description of the machine.
        started: Start of the run, UTC in ISO 8601.
        protocol: Name and version of the benchmark's protocol.
    """

    command: str
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    suites: tuple[Suite, ...]
    git: Mapping[str, Any] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    protocol: str = PROTOCOL
    schema_version: int = field(default=SCHEMA_VERSION, init=False)

    @property
    def policies(self) -> tuple[str, ...]:
        """Policy names without repetition, in the order of the command."""
        return tuple(dict.fromkeys(suite.policy for suite in self.suites))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names without repetition, in the order of the command."""
        return tuple(dict.fromkeys(suite.task for suite in self.suites))

    def suite(self, policy: str, task: str) -> Suite:
        """Episodes of one policy on one task.

        Raises:
            KeyError: If this policy did not run on this task.
        """
        for suite in self.suites:
            if (suite.policy, suite.task) == (policy, task):
                return suite
        raise KeyError(f"no results of policy {policy!r} on task {task!r}")

    def comparisons(self) -> list[tuple[str, str, str, Comparison]]:
        """(first policy, other policy, task, comparison) for every other policy and task."""
        first = self.policies[:1]
        return [
            (a, suite.policy, suite.task, compare(self.suite(a, suite.task).records, suite.records))
            for a in first
            for suite in self.suites
            if suite.policy != a and suite.records
        ]

    def to_json(self) -> dict[str, Any]:
        """Content of ``results.json``."""
        policies: dict[str, dict[str, Any]] = {}
        for suite in self.suites:
            policies.setdefault(suite.policy, {})[suite.task] = task_figures(suite.records) | {"wall_s": suite.wall_s}
        first = self.policies[0] if self.policies else ""
        return {
            "schema_version": self.schema_version,
            "protocol": self.protocol,
            "command": self.command,
            "started": self.started,
            "versions": dict(self.versions),
            "git": dict(self.git),
            "hardware": dict(self.hardware),
            "settings": dict(self.settings),
            "policy": first,
            "tasks": policies.get(first, {}),
            "policies": policies,
            "comparisons": [
                {"a": a, "b": b, "task": task, **asdict(comparison)} for a, b, task, comparison in self.comparisons()
            ],
            "episodes": [
                {"policy": suite.policy, **record.to_json()} for suite in self.suites for record in suite.records
            ],
        }


def results_from_json(values: Any) -> BenchResults:
    """Inverse of :meth:`BenchResults.to_json`.

    Raises:
        UserError: If the values are not results of this schema version, or contradict each other; names the key.
    """
    check_results(values)
    suites = []
    for policy, tasks in values["policies"].items():
        for task, figures in tasks.items():
            mine = [item for item in values["episodes"] if (item["policy"], item["task"]) == (policy, task)]
            records = tuple(EpisodeRecord.from_json(item) for item in mine)
            for key, value in json.loads(json.dumps(task_figures(records))).items():
                if not _agrees(figures.get(key), value, key):
                    raise UserError(f"policies.{policy}.{task}.{key} is {figures[key]!r}, its episodes give {value!r}")
            suites.append(Suite(policy, task, records, figures["wall_s"]))
    if sum(len(suite.records) for suite in suites) != len(values["episodes"]):
        raise UserError("episodes has records of a policy or task that policies does not have")
    names = ("command", "versions", "settings", "git", "hardware", "started", "protocol")
    return BenchResults(suites=tuple(suites), **{name: values[name] for name in names})


def task_figures(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """The figures of one policy on one task as JSON-able values, goal variants under ``goals``."""
    figures = _figures(summarize(records))
    figures["goals"] = {goal: _figures(summary) for goal, summary in summarize_by_goal(records).items()}
    return figures


def read_results(path: Path) -> BenchResults:
    """Read and check a ``results.json``.

    Raises:
        UserError: If the file is not a results file of this schema version.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} has {path.stat().st_size} bytes, a results file has at most {MAX_BYTES}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    try:
        return results_from_json(values)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {error}") from error


def _refuse(constant: str) -> float:
    raise UserError(f"{constant} is not a JSON number")


def _agrees(found: Any, computed: Any, key: str) -> bool:
    """Whether a figure of a file follows from its episodes; a file can lack optional keys and have unknown ones."""
    if isinstance(found, dict) and isinstance(computed, dict):
        same = key != "goals" or set(found) == set(computed)
        return same and all(_agrees(found.get(k), v, k) for k, v in computed.items())
    return bool(found == computed) or (found is None and key in optional_keys())


def _figures(summary: SuccessSummary) -> dict[str, Any]:
    return {
        "episodes": summary.episodes,
        "successes": summary.successes,
        "success_rate": summary.success_rate,
        "wilson_95": list(summary.wilson_95),
        "time_to_success_s": summary.time_to_success.median_s,
        "time_to_success_mean_s": summary.time_to_success.mean_s,
        "mean_return": summary.mean_return,
        **{name: list(v) if isinstance(v, tuple) else v for name, v in summary.metrics.items()},
        "said_success_rate": summary.said_success_rate,
        "unstable": summary.unstable,
    }
