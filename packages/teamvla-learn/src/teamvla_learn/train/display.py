"""What a training shows in the terminal: reading progress, then a bar with loss and time left."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from teamvla_envs.console import plain_console
from teamvla_envs.interrupts import check_interrupt

from teamvla_learn.train.trainer import LogRow, Trainer

ShowLog = Callable[[LogRow], None]


@contextmanager
def reading_progress() -> Generator[Callable[[int], None]]:
    """Show a bar over demonstrations; yields what moves it on by one, and is told how many there are."""
    columns = (TextColumn("reading demonstrations"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=plain_console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def on_demo(total: int) -> None:
            check_interrupt()
            bar.update(task, advance=1, total=total)

        yield on_demo


@contextmanager
def training_progress(trainer: Trainer) -> Generator[ShowLog]:
    """Show a bar over the budget; yields the callback for log rows."""
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
