"""The local history of benchmark runs: one line of JSON per run, appended by ``teamvla bench``.

The file is ``$TEAMVLA_HISTORY``, or ``history.jsonl`` in the user's data folder.
"""

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_eval.metrics.value_checks import (
    Check,
    amount,
    count,
    interval,
    mapping,
    or_null,
    sequence,
    share,
    text,
    texts,
)
from teamvla_eval.results.append_only import append_line
from teamvla_eval.results.results import BenchResults, task_figures
from teamvla_eval.results.schema import check_object

logger = logging.getLogger(__name__)
MAX_LINE = 1_000_000  # [bytes]


@dataclass(frozen=True)
class HistoryEntry:
    """One policy on one task in one run.

    Attributes:
        started: When the run began, UTC in ISO 8601.
        policy: Name of the policy.
        task: Task name.
        episodes: Number of episodes.
        successes: Number of successful episodes.
        success_rate: Share of successful episodes.
        wilson_95: 95% interval of the success probability.
        time_to_success_s: Median over the successful episodes [s]; None without one.
        episodes_per_s: Episodes per second of wall-clock time; None if it was not measured.
        settings: Settings of the run.
        versions: Distribution name to version.
        commit: Commit of the working tree; empty outside of a repository.
        protocol: Name and version of the protocol.
        command: Command that repeats the run.
    """

    started: str
    policy: str
    task: str
    episodes: int
    successes: int
    success_rate: float
    wilson_95: tuple[float, float]
    time_to_success_s: float | None
    episodes_per_s: float | None
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str
    protocol: str
    command: str


def history_file() -> Path:
    """Path of the history file.

    Raises:
        FileNotFoundError: If the user has no home folder.
    """
    if path := os.environ.get("TEAMVLA_HISTORY"):
        return Path(path)
    import platformdirs

    folder = Path(platformdirs.user_data_dir("teamvla"))
    if not folder.is_absolute():  # "~/...", because ~ could not be resolved
        raise FileNotFoundError(errno.ENOENT, "no home folder for the history; set TEAMVLA_HISTORY", str(folder))
    return folder / "history.jsonl"


def append_history(results: BenchResults, path: Path) -> None:
    """Append one run; safe for several processes at once.

    Raises:
        OSError: If it cannot be written, for example because the disk is full; the file is unchanged then.
    """
    suites = []
    for suite in results.suites:
        figures = task_figures(suite.records)
        shown = {name: figures[name] for name in _SUITE if name in figures}
        speed = len(suite.records) / suite.wall_s if suite.wall_s else None
        suites.append({"policy": suite.policy, "task": suite.task, **shown, "episodes_per_s": speed})
    run = {
        "started": results.started,
        "protocol": results.protocol,
        "command": results.command,
        "versions": dict(results.versions),
        "commit": str(results.git.get("commit", "")),
        "settings": dict(results.settings),
        "suites": suites,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    append_line(path, json.dumps(run, allow_nan=False))


def read_history(path: Path) -> list[HistoryEntry]:
    """Read all entries, oldest first; damaged lines are left out with a warning.

    Raises:
        UserError: If there is no such file.
    """
    if not path.is_file():
        raise UserError(f"there is no history at {path}; teamvla bench makes one")
    entries: list[HistoryEntry] = []
    damaged: list[int] = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            entries += _entries(json.loads(line))
        except (ValueError, RecursionError):
            damaged.append(number)
    if damaged:
        logger.warning("%s: left out %d damaged lines, the first is line %d", path, len(damaged), damaged[0])
    return entries


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of a file, each cut off after ``MAX_LINE`` bytes."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            yield line
            while len(line) == MAX_LINE and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)


_RUN: dict[str, Check] = {
    "started": text, "settings": mapping, "versions": texts, "commit": text, "protocol": text, "command": text,
    "suites": sequence,
}  # fmt: skip
_SUITE: dict[str, Check] = {
    "policy": text, "task": text, "episodes": count, "successes": count, "success_rate": share, "wilson_95": interval,
    "time_to_success_s": or_null(amount), "episodes_per_s": or_null(amount),
}  # fmt: skip


def _entries(run: Any) -> Sequence[HistoryEntry]:
    """Entries of a line.

    Raises:
        UserError: If something is missing or has the wrong type; then none of them is taken.
    """
    check_object("", run, _RUN)
    if invalid := text(json.dumps(run["settings"], ensure_ascii=False)):
        raise UserError(f"settings are no {invalid}")
    shared = {name: run[name] for name in _RUN if name != "suites"}
    entries = []
    for suite in run["suites"]:
        check_object("suites", suite, _SUITE)
        low, high = suite["wilson_95"]
        if not low <= suite["success_rate"] <= high:
            raise UserError(f"success_rate is {suite['success_rate']}, which is not in wilson_95")
        entries.append(HistoryEntry(**shared, **{name: suite[name] for name in _SUITE} | {"wilson_95": (low, high)}))
    return entries
