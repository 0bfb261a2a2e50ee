"""What was measured so far, kept in ``learning.csv``: measurements are made in pieces, on more than one machine."""

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
        results: Name of the folder that the measurement wrote.
        task: Name of the task.
        episodes: Number of episodes.
        success: In how many the goal of the episode was reached.
        said_success: In how many the goal that was said was reached; another one with ``--swap-instruction``.
        minutes: What training took [min]; empty for policies that come with the package.
        device: Where it was trained, ``cpu`` or ``cuda``.
    """

    results: str
    task: str
    episodes: int
    success: int
    said_success: int
    minutes: str = ""
    device: str = "cpu"


def read_records() -> dict[str, list[Record]]:
    """Return the records of each measurement, by the name of its folder."""
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
    """Return what a measurement found.

    Args:
        results: The folder that it wrote.
        training: The folder of the training; None for policies that come with the package.
    """
    measured = json.loads((results / "results.json").read_text(encoding="utf-8"))
    said = "said_success" if measured["settings"]["swap_instruction"] else "success"  # else they are one goal
    minutes, device = ("", "cpu") if training is None else (f"{_minutes(training):.1f}", _device(training))
    return [
        Record(results.name, task, len(told), _count(told, "success"), _count(told, said), minutes, device)
        for task in dict.fromkeys(episode["task"] for episode in measured["episodes"])
        for told in [[episode for episode in measured["episodes"] if episode["task"] == task]]
    ]


def _count(episodes: list[dict[str, Any]], key: str) -> int:
    return sum(bool(episode[key]) for episode in episodes)


def _minutes(training: Path) -> float:
    logs = training.rglob("train_log.jsonl")  # one per round
    return sum(json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["time_s"] for log in logs) / 60


def _device(training: Path) -> str:
    first = min(training.rglob("config.json"))
    return str(json.loads(first.read_text(encoding="utf-8"))["training"]["device"])
