"""Trainings of the tests, told by a few flat names."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from teamvla_learn.train.config import Budget, TrainConfig
from teamvla_learn.train.run import TrainingJob, run_training
from teamvla_learn.train.settings import Settings

SHORT = {"lr": "learning_rate"}


def train(demos: Path | tuple[Path, ...], out: Path, minutes: float | None = None, **options: Any) -> None:
    """Train; options are fields of ``TrainingJob``, ``Settings`` and ``TrainConfig``, and ``steps``."""
    run_training(make_job(demos, out, minutes, **options))


def make_job(
    demos: Path | tuple[Path, ...], out: Path, minutes: float | None = None, steps: int | None = None, **options: Any
) -> TrainingJob:
    """Make the job of :func:`train`."""
    named = {SHORT.get(name, name): value for name, value in options.items()}
    config = {field.name: named.pop(field.name) for field in fields(TrainConfig) if field.name in named}
    settings = {field.name: named.pop(field.name) for field in fields(Settings) if field.name in named}
    paths = (demos,) if isinstance(demos, Path) else demos
    job: dict[str, Any] = {"cache": False, "tensorboard": False} | named
    return TrainingJob(paths, out, Settings(train=TrainConfig(Budget(steps, minutes), **config), **settings), **job)
