"""Results so far, kept in ``learning.csv``, so that they can be measured in parts and on several machines."""

import csv
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("learning.csv")


@dataclass(frozen=True, order=True)
class Record:
    """One policy on one task.

    Attributes:
        results: Name of the results folder.
        task: Name of the task.
        episodes: Number of episodes.
        success: Number of episodes in which the goal of the seed was reached.
        said_success: Number in which the instructed goal was reached; it differs with ``--swap-instruction``.
        minutes: Training time [min]; empty for policies that are included in the package.
        device: Device of the training, ``cpu`` or ``cuda``.
    """

    results: str
    task: str
    episodes: int
    success: int
    said_success: int
    minutes: str = ""
    device: str = "cpu"


def read_records() -> dict[str, list[Record]]:
    """Return the records of each evaluation, by the name of its results folder."""
    found: dict[str, list[Record]] = {}
    if FILE.exists():
        with FILE.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                episodes, success, said = (int(row[name]) for name in ("episodes", "success", "said_success"))
                record = Record(row["results"], row["task"], episodes, success, said, row["minutes"], row["device"])
                found.setdefault(record.results, []).append(record)
    return found


def write_records(records: Mapping[str, list[Record]]) -> None:
    """Replace the file."""
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Record))
        writer.writerows(astuple(record) for name in sorted(records) for record in records[name])


def records_of(results: Path, training: Path | None) -> list[Record]:
    """Return the records of one evaluation.

    Args:
        results: Its results folder.
        training: Folder of the training; None for policies that are included in the package.
    """
    measured = json.loads((results / "results.json").read_text(encoding="utf-8"))
    said = "said_success" if measured["settings"]["swap_instruction"] else "success"  # otherwise both are the same goal
    minutes, device = ("", "cpu") if training is None else (f"{_minutes(training):.1f}", _device(training))
    return [
        Record(results.name, task, len(found), _count(found, "success"), _count(found, said), minutes, device)
        for task in dict.fromkeys(episode["task"] for episode in measured["episodes"])
        for found in [[episode for episode in measured["episodes"] if episode["task"] == task]]
    ]


def _count(episodes: list[dict[str, Any]], key: str) -> int:
    return sum(bool(episode[key]) for episode in episodes)


def _minutes(training: Path) -> float:
    logs = training.rglob("train_log.jsonl")  # one per round
    return sum(json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["time_s"] for log in logs) / 60


def _device(training: Path) -> str:
    first = min(training.rglob("config.json"))
    return str(json.loads(first.read_text(encoding="utf-8"))["training"]["device"])
