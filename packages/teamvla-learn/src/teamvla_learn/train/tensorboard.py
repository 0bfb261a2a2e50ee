"""The training log as TensorBoard event files, beside it: ``tensorboard --logdir runs``."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from teamvla_learn.train.trainer import LogRow

FOLDER = "tensorboard"


@contextmanager
def event_file(out: Path, step: int) -> Generator[Callable[[LogRow], None]]:
    """Open an event file in a checkpoint folder; yields what adds a log row to it.

    Args:
        out: Checkpoint folder.
        step: Steps already taken; what earlier files say of later steps is forgotten.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(out / FOLDER), purge_step=step + 1) as writer:

        def add(row: LogRow) -> None:
            for name, value in _scalars(row).items():
                writer.add_scalar(name, value, row["step"])
            writer.flush()

        yield add


def _scalars(row: LogRow) -> dict[str, float]:
    """A row's numbers by name, those of its groups as ``group/name``."""
    scalars: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            scalars |= {f"{name}/{key}": number for key, number in value.items()}
        elif name not in ("step", "time_s"):
            scalars[name] = value
    return scalars
