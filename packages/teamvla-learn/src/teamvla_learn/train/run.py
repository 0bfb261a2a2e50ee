"""One training from beginning to end: read, build, train, and keep the folder complete at every moment.

The folder appears with its first checkpoint, in one rename; later each of its files is only replaced whole.
"""

import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from teamvla_envs.errors import UserError

from teamvla_learn.data.assemble import BatchAssembler
from teamvla_learn.data.dataset import DemoDataset, DemoSource, load_demos
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import (
    CONFIG_FILE,
    MODEL_FILE,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
    save_weights,
)
from teamvla_learn.train.build import PolicyKind, build_policy, build_tokenizer, describe
from teamvla_learn.train.config import TrainConfig
from teamvla_learn.train.display import reading_progress, training_progress
from teamvla_learn.train.interrupts import interrupt_flag
from teamvla_learn.train.log import LOG_FILE, append_row, cut_log
from teamvla_learn.train.precision import native_precision
from teamvla_learn.train.resuming import STATE_FILE, load_state, save_state
from teamvla_learn.train.trainer import LogRow, Trainer

FILES = (CONFIG_FILE, MODEL_FILE, STATE_FILE, LOG_FILE)
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class TrainingJob:
    """What to train on what, and where to.

    Attributes:
        demos: Demonstration file.
        out: Checkpoint folder.
        policy: Kind of network.
        config: How to train.
        auxiliary: What a vla policy also learns to tell; None for the usual.
        chunk_length: Actions predicted at once.
        threads: CPU threads; None takes all cores, as far as there are shards.
        resume: Whether to continue what is in the folder.
        overwrite: Whether to replace what is in the folder.
    """

    demos: Path
    out: Path
    policy: PolicyKind
    config: TrainConfig
    auxiliary: tuple[str, ...] | None = None
    chunk_length: int = 1
    threads: int | None = None
    resume: bool = False
    overwrite: bool = False


def run_training(job: TrainingJob) -> None:
    """Train a policy and leave it as a checkpoint folder.

    Raises:
        UserError: For bad input, before anything is written.
        KeyboardInterrupt: When it was interrupted; the folder then holds all that is needed to resume.
    """
    _check_numbers(job)
    _check_out(job)
    with reading_progress() as on_demo:
        train, valid, source = load_demos(
            job.demos, job.policy == "vla", job.policy == "vla" and job.config.paraphrase, on_demo
        )
    job = replace(job, config=_settle_precision(job))
    trainer, info = _make_trainer(job, train, valid, source)
    if job.resume:
        _check_same(job.out, trainer.policy, info)
        load_state(job.out, trainer)
        cut_log(job.out, trainer.step)
    else:
        _create_folder(job, trainer, info)
    with _one_thread_per_operation():
        _train(job.out, trainer)


def _train(out: Path, trainer: Trainer) -> None:
    saved = time.monotonic()

    def save() -> None:
        nonlocal saved
        save_weights(out, trainer.average.policy)
        save_state(out, trainer)
        saved = time.monotonic()

    with interrupt_flag() as interrupted, training_progress(trainer) as show:

        def on_step() -> bool:
            if time.monotonic() - saved > SAVE_EVERY_S:
                save()
            return interrupted()

        def on_log(row: LogRow) -> None:
            loss = row["train"]["total"]
            if loss != loss:
                raise UserError(f"training diverged before step {row['step']}: the loss is {loss}; use a smaller lr")
            append_row(out, row)
            show(row)

        trainer.run(on_step, on_log)
        save()
    if trainer.progress < 1.0:
        raise KeyboardInterrupt(f"at step {trainer.step}; continue with --resume")


def _make_trainer(
    job: TrainingJob, train: DemoDataset, valid: DemoDataset, source: DemoSource
) -> tuple[Trainer, CheckpointInfo]:
    tokenizer = build_tokenizer((train, valid)) if job.policy == "vla" else None
    policy = build_policy(job.policy, train, source, tokenizer, job.auxiliary, job.chunk_length, job.config.seed)
    max_tokens = policy.config.language.max_tokens if job.policy == "vla" else 0
    changes = job.config.shift, job.config.brightness
    assemble = [BatchAssembler(data, tokenizer, job.chunk_length, max_tokens, *changes) for data in (train, valid)]
    threads = min(job.threads or _usable_cores(), job.config.shards)
    trainer = Trainer(policy, assemble[0], assemble[1] if len(valid) else None, job.config, threads)
    return trainer, describe(policy, tokenizer, source, job.config)


def _usable_cores() -> int:
    """Return the processor cores this process may use; some systems tell only those that exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _one_thread_per_operation() -> Generator[None]:
    """Keep torch from sharing single operations out to threads; see :mod:`teamvla_learn.train.sharding`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _settle_precision(job: TrainingJob) -> TrainConfig:
    if job.config.precision != "auto":
        return job.config
    if job.resume:
        begun = load_checkpoint(job.out).info.training.get("precision")
        if begun in ("float32", "bfloat16"):
            return replace(job.config, precision=begun)
    return replace(job.config, precision=native_precision())


def _check_numbers(job: TrainingJob) -> None:
    if job.threads is not None and job.threads < 1:
        raise UserError(f"threads is {job.threads}, expected at least 1")
    if job.chunk_length < 1:
        raise UserError(f"chunk_length is {job.chunk_length}, expected at least 1")


def _check_out(job: TrainingJob) -> None:
    if job.resume and job.overwrite:
        raise UserError("resume and overwrite exclude each other")
    if job.resume:
        load_checkpoint(job.out)
        return
    if not job.out.exists():
        return
    if not job.out.is_dir():
        raise UserError(f"out is {job.out}, which is a file; expected a folder")
    present = sorted(path.name for path in job.out.iterdir())
    if present and not job.overwrite:
        raise UserError(f"out is {job.out}, which is not empty: use --resume, --overwrite or another folder")
    if foreign := [name for name in present if name not in FILES]:
        raise UserError(f"out is {job.out}, which also holds {foreign[0]}: --overwrite would delete it")


def _create_folder(job: TrainingJob, trainer: Trainer, info: CheckpointInfo) -> None:
    job.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = job.out.with_name(f".{job.out.name}.{os.getpid()}")
    temporary.mkdir()
    try:
        save_checkpoint(temporary, trainer.average.policy, info)
        save_state(temporary, trainer)
        if job.out.exists():
            shutil.rmtree(job.out)
        temporary.rename(job.out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_same(folder: Path, policy: LearnedPolicy, info: CheckpointInfo) -> None:
    """Refuse to resume with other data, another network or other settings."""
    begun = load_checkpoint(folder)
    if begun.info.data.get("content_hash") != info.data["content_hash"]:
        raise UserError(f"cannot resume: {folder} was begun with other demonstrations ({begun.info.data.get('file')})")
    ours = {"policy": type(policy).__name__, **_flat(asdict(policy.config)), **_flat(dict(info.training))}
    theirs = {
        "policy": type(begun.policy).__name__,
        **_flat(asdict(begun.policy.config)),
        **_flat(dict(begun.info.training)),
    }
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise UserError(f"cannot resume: {name} is {value}, {folder} was begun with {theirs.get(name)}")


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of nested dicts by their own names, lists as tuples, so that errors can name one."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: repr(value).replace("[", "(").replace("]", ")")}
    return flat
