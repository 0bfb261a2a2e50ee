"""Training log as JSON lines and TensorBoard event files, and progress bars.

A row of the log has the entries step, time_s, lr, samples_per_s, and the loss terms train and valid.
"""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from teamvla_envs.console import plain_console
from teamvla_envs.files import naming, write_text
from teamvla_envs.interrupts import check_interrupt

from teamvla_learn.train.trainer import LogRow, Trainer

LOG_FILE = "train_log.jsonl"


def append_row(folder: Path, row: LogRow) -> None:
    """Append a row to the log in a run folder."""
    path = folder / LOG_FILE
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_log(folder: Path) -> list[LogRow]:
    """Return the rows of the log in a run folder, without an incomplete last one."""
    path = folder / LOG_FILE
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    return [json.loads(line) for line in lines[:-1] if line]


def cut_log(folder: Path, step: int) -> None:
    """Delete the rows after a step, which a resumed training writes again."""
    rows = [row for row in read_log(folder) if row["step"] <= step]
    write_text(folder / LOG_FILE, "".join(json.dumps(row) + "\n" for row in rows))


ShowLog = Callable[[LogRow], None]


@contextmanager
def reading_progress() -> Generator[Callable[[int], None]]:
    """Show a progress bar over demonstrations; yields its update function, which receives their number."""
    columns = (TextColumn("reading demonstrations"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=plain_console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def on_demo(total: int) -> None:
            check_interrupt()
            bar.update(task, advance=1, total=total)

        yield on_demo


@contextmanager
def training_progress(trainer: Trainer) -> Generator[ShowLog]:
    """Show a progress bar over the budget; yields the callback for log rows."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("step {task.fields[step]}  loss {task.fields[loss]}  valid {task.fields[valid]}"),
        TextColumn("{task.fields[speed]} samples/s  {task.fields[left]} left"),
    )
    with Progress(*columns, console=plain_console(stderr=True)) as bar:
        fields: dict[str, Any] = {"step": trainer.step, "loss": "-", "valid": "-", "speed": "-", "left": "?"}
        task = bar.add_task("", total=1.0, **fields)
        bar.update(task, completed=trainer.progress)
        start_progress, start_s = trainer.progress, trainer.elapsed_s

        def show(row: LogRow) -> None:
            gained = trainer.progress - start_progress
            left_s = (1.0 - trainer.progress) * (trainer.elapsed_s - start_s) / gained if gained > 0 else 0.0
            shown: dict[str, Any] = {
                "step": row["step"],
                "loss": f"{row['train']['total']:.4f}",
                "left": _minutes(left_s),
            }
            shown["speed"] = f"{row['samples_per_s']:.0f}"
            if "valid" in row:
                shown["valid"] = f"{row['valid']['total']:.4f}"
            bar.update(task, completed=trainer.progress, **shown)

        yield show


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


TENSORBOARD_FOLDER = "tensorboard"


@contextmanager
def event_file(out: Path, step: int) -> Generator[Callable[[LogRow], None]]:
    """Open a TensorBoard event file in a run folder, after ``step`` steps; yields the callback for log rows.

    Rows of later steps in earlier files are discarded.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(out / TENSORBOARD_FOLDER), purge_step=step + 1) as writer:

        def add(row: LogRow) -> None:
            for name, value in _scalars(row).items():
                writer.add_scalar(name, value, row["step"])
            writer.flush()

        yield add


def _scalars(row: LogRow) -> dict[str, float]:
    """Return the numbers of a row by name, those of its groups as ``group/name``."""
    scalars: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            scalars |= {f"{name}/{key}": number for key, number in value.items()}
        elif name not in ("step", "time_s"):
            scalars[name] = value
    return scalars
