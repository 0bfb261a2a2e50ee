"""The local history of benchmark runs: one line of JSON per run, appended by ``teamvla bench``, shown by this command.

The file is ``$TEAMVLA_HISTORY``, or ``history.jsonl`` in the user's data folder.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_eval.metrics import summarize
from teamvla_eval.results import BenchResults, check_folder, write_atomically

logger = logging.getLogger(__name__)
MAX_LINE = 1_000_000  # characters


@dataclass(frozen=True)
class HistoryEntry:
    """One policy on one task in one run.

    Attributes:
        started: When the run began, UTC in ISO 8601.
        policy: Name of the policy.
        task: Task name.
        episodes: Number of episodes.
        successes: Number of successful ones.
        success_rate: Their share.
        wilson_95: 95% interval of the success probability.
        time_to_success_s: Median over the successful episodes [s]; None without one.
        episodes_per_s: Speed, episodes per second of wall-clock time; None where it was not measured.
        settings: Settings of the run.
        versions: Distribution name to version.
        commit: Commit of the working tree; empty outside of a repository.
        protocol: Name and version of the protocol.
        command: Repeats the run.
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


def history(
    file: Path | None = None,
    task: tuple[str, ...] = (),
    policy: tuple[str, ...] = (),
    last: int = 30,
    html: Path | None = None,
) -> None:
    """Show earlier benchmark runs of this machine, and draw success and speed over time and versions.

    Args:
        file: History file; by default the one that teamvla bench appends to.
        task: Only these tasks.
        policy: Only these policies.
        last: How many rows to show.
        html: Write a page with all of them, success and speed over time.
    """
    path = file or history_file()
    if last < 1:
        raise UserError(f"last is {last}, expected at least 1")
    entries = [
        entry
        for entry in read_history(path)
        if (not task or entry.task in task) and (not policy or entry.policy in policy)
    ]
    if not entries:
        raise UserError(f"{path} has no matching runs; teamvla bench appends to it")
    from teamvla_eval.console import print_history

    print_history(entries[-last:])
    if html is not None:
        from teamvla_eval.history_page import render_history

        check_folder(html.parent)
        html.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(html, render_history(entries))
        print(f"wrote {html}")


def history_file() -> Path:
    """Where the history is kept."""
    if path := os.environ.get("TEAMVLA_HISTORY"):
        return Path(path)
    import platformdirs

    return Path(platformdirs.user_data_dir("teamvla")) / "history.jsonl"


def append_history(results: BenchResults, path: Path) -> None:
    """Append one run; several processes may do so at once."""
    suites = []
    for suite in results.suites:
        summary = summarize(suite.records)
        suites.append(
            {
                "policy": suite.policy,
                "task": suite.task,
                "episodes": summary.episodes,
                "successes": summary.successes,
                "success_rate": summary.success_rate,
                "wilson_95": list(summary.wilson_95),
                "time_to_success_s": summary.time_to_success.median_s,
                "episodes_per_s": summary.episodes / suite.wall_s if suite.wall_s else None,
            }
        )
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
    line = json.dumps(run, allow_nan=False) + "\n"
    # One write to a file opened for appending does not mix with that of another process.
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read_history(path: Path) -> list[HistoryEntry]:
    """All entries, oldest first; lines that cannot be read are left out with a warning.

    Raises:
        UserError: If there is no such file.
    """
    if not path.is_file():
        raise UserError(f"there is no history at {path}; teamvla bench makes one")
    entries: list[HistoryEntry] = []
    damaged: list[int] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                entries += _entries(json.loads(line[:MAX_LINE]))
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged.append(number)
    if damaged:
        logger.warning("%s: left out %d damaged lines, the first is line %d", path, len(damaged), damaged[0])
    return entries


def _entries(run: Any) -> Sequence[HistoryEntry]:
    shared: dict[str, Any] = {
        "started": str(run["started"]),
        "settings": dict(run["settings"]),
        "versions": {str(name): str(version) for name, version in run["versions"].items()},
        "commit": str(run["commit"]),
        "protocol": str(run["protocol"]),
        "command": str(run["command"]),
    }
    return [
        HistoryEntry(
            policy=str(suite["policy"]),
            task=str(suite["task"]),
            episodes=int(suite["episodes"]),
            successes=int(suite["successes"]),
            success_rate=float(suite["success_rate"]),
            wilson_95=(float(suite["wilson_95"][0]), float(suite["wilson_95"][1])),
            time_to_success_s=_optional(suite["time_to_success_s"]),
            episodes_per_s=_optional(suite["episodes_per_s"]),
            **shared,
        )
        for suite in run["suites"]
    ]


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
