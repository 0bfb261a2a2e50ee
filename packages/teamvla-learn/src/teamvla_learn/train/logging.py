"""The training log, one JSON object per line: step, time_s, lr, samples_per_s, train and valid loss terms."""

import json
from pathlib import Path

from teamvla_envs.files import naming, write_text

from teamvla_learn.train.trainer import LogRow

LOG_FILE = "train_log.jsonl"


def append_row(folder: Path, row: LogRow) -> None:
    """Add a row to the log in a checkpoint folder."""
    path = folder / LOG_FILE
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_log(folder: Path) -> list[LogRow]:
    """Return the rows of a log; one that was cut off while it was written is left out."""
    path = folder / LOG_FILE
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    return [json.loads(line) for line in lines[:-1] if line]


def cut_log(folder: Path, step: int) -> None:
    """Forget the rows after a step: a resumed training writes them again."""
    rows = [row for row in read_log(folder) if row["step"] <= step]
    write_text(folder / LOG_FILE, "".join(json.dumps(row) + "\n" for row in rows))
