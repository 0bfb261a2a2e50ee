"""Folder of a training: checkpoint, training state, log and settings, consistent at all times.

A new folder appears with its first checkpoint, in one rename. An existing folder, which may be a mount point or a link,
receives the files one by one, ``config.json`` last: without it there is no checkpoint. Later, each file and the folder
``best`` are replaced atomically.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.files import new_folder, real_path, temporary_folder, temporary_path, write_text
from teamvla_envs.outside import parse_json
from torch import Tensor

from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import (
    CONFIG_FILE,
    MODEL_FILE,
    load_checkpoint,
    read_metadata,
    read_tensors,
    save_checkpoint,
    write_tensors,
)
from teamvla_learn.policies.checkpoint_info import CheckpointInfo
from teamvla_learn.train.logging import LOG_FILE, TENSORBOARD_FOLDER
from teamvla_learn.train.settings import SETTINGS_FILE
from teamvla_learn.train.trainer import Trainer

STATE_FILE = "training_state.safetensors"
STATE_FORMAT = {"format": "teamvla-training", "schema_version": "1"}
BEST = "best"  # a checkpoint folder inside the folder
_NEW, _OLD = f".{BEST}.new", f".{BEST}.old"  # its successor and predecessor while it is replaced
_FIRST = ".first"  # first checkpoint of a training in an existing folder, until its files are moved
_WRITTEN = (CONFIG_FILE, MODEL_FILE, STATE_FILE, LOG_FILE, SETTINGS_FILE)
_HALF_WRITTEN = tuple(temporary_path(Path(name)).name for name in _WRITTEN)  # remains of a killed process
FILES = (*_WRITTEN, *_HALF_WRITTEN, BEST, _NEW, _OLD, _FIRST, TENSORBOARD_FOLDER)
_OF_THE_DISK = ("lost+found",)  # in mount points
_MAY_CHANGE = ("device",)  # settings that may differ in a resumed training


def check_out(out: Path, resume: bool, overwrite: bool) -> None:
    """Check that a run folder can be written without losing files.

    Raises:
        UserError: Naming the obstacle and the options.
    """
    if resume and overwrite:
        raise UserError("resume and overwrite exclude each other")
    if resume:
        load_checkpoint(out)
    with _naming_out(out):
        if out.exists() and not resume:
            _check_nothing_lost(out, overwrite)
        target = real_path(out)
        present = next(folder for folder in (target, *target.parents) if folder.exists())
        tempfile.TemporaryDirectory(dir=present, prefix=".").cleanup()


def create_folder(out: Path, trainer: Trainer, info: CheckpointInfo, settings: str) -> None:
    """Write the first checkpoint of a training, and its settings as YAML.

    Raises:
        UserError: When the folder cannot be written.
    """
    present = out.exists()
    with _naming_out(out), temporary_folder(out / _FIRST) if present else new_folder(out) as new:
        save_checkpoint(new, trainer.average.policy, info)
        save_state(new, trainer)
        write_text(new / SETTINGS_FILE, settings)
        if present:
            _replace_content(out, new)


def _replace_content(folder: Path, new: Path) -> None:
    """Replace the files of an earlier training by those of a subfolder."""
    for name in FILES:  # the configuration first
        path = folder / name
        if path.is_dir() and path != new:
            shutil.rmtree(path)
        elif path != new:
            path.unlink(missing_ok=True)
    for name in (MODEL_FILE, STATE_FILE, SETTINGS_FILE, CONFIG_FILE):
        (new / name).rename(folder / name)


class BestCheckpoint:
    """Checkpoint folder of the weights with the highest success rate, complete at all times.

    Args:
        out: Run folder.
    """

    def __init__(self, out: Path):
        self._folder, self._new, self._old = out / BEST, out / _NEW, out / _OLD
        if _complete(self._new):
            self._put_in_place()
        self._success = -1.0
        if _complete(self._folder):
            self._success = float(load_checkpoint(self._folder).info.training.get("success", -1.0))

    def offer(self, policy: LearnedPolicy, info: CheckpointInfo, step: int, success: float) -> None:
        """Save a policy if its success rate is at least that of the saved one."""
        if success < self._success:
            return
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir()
        save_checkpoint(self._new, policy, replace(info, training={**info.training, "step": step, "success": success}))
        self._put_in_place()
        self._success = success

    def _put_in_place(self) -> None:
        """Rename the new folder to the best one; if interrupted, the next run completes it."""
        shutil.rmtree(self._old, ignore_errors=True)
        if self._folder.exists():
            self._folder.rename(self._old)
        self._new.rename(self._folder)
        shutil.rmtree(self._old, ignore_errors=True)


def check_same(folder: Path, policy: LearnedPolicy, info: CheckpointInfo) -> None:
    """Check that a training is resumed with the same data, network and settings."""
    stored = load_checkpoint(folder)
    if stored.info.data.get("content_hash") != info.data["content_hash"]:
        files = ", ".join(str(file.get("file")) for file in stored.info.data.get("files", ()))
        raise UserError(f"cannot resume: {folder} was started with other demonstrations ({files})")
    ours, theirs = (
        {"policy": type(network).__name__, **_flat(asdict(network.config)), **_flat(dict(metadata.training))}
        for network, metadata in ((policy, info), (stored.policy, stored.info))
    )
    for name, value in ours.items():
        if theirs.get(name) != value and name not in _MAY_CHANGE:
            raise UserError(f"cannot resume: {name} is {value}, {folder} was started with {theirs.get(name)}")


def _check_nothing_lost(out: Path, overwrite: bool) -> None:
    if not out.is_dir():
        raise UserError(f"out is {out}, which is a file; expected a folder")
    present = {path.name for path in out.iterdir()}.difference(_OF_THE_DISK)
    foreign = sorted(present.difference(FILES))
    unfinished = _FIRST in present and CONFIG_FILE not in present  # killed before there was a checkpoint
    if present and not overwrite and (foreign or not unfinished):
        raise UserError(f"out is {out}, which is not empty: use --resume, --overwrite or another folder")
    if foreign:
        raise UserError(f"out is {out}, which also holds {foreign[0]}: --overwrite would delete it")


@contextmanager
def _naming_out(out: Path) -> Generator[None]:
    """Convert errors of the system to UserErrors that name the argument ``out``."""
    try:
        yield
    except OSError as error:
        raise UserError(f"out is {out}, which cannot be written: {(error.strerror or str(error)).lower()}") from error


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (CONFIG_FILE, MODEL_FILE))


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of nested dicts by their own names, with lists as tuples."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: repr(value).replace("[", "(").replace("]", ")")}
    return flat


def save_state(folder: Path, trainer: Trainer) -> None:
    """Replace the training state in a run folder atomically."""
    counters = {"step": trainer.step, "elapsed_s": trainer.elapsed_s}
    write_tensors(folder / STATE_FILE, _tensors(trainer), STATE_FORMAT | {"counters": json.dumps(counters)})


def load_state(folder: Path, trainer: Trainer) -> None:
    """Restore a trainer from the training state in a run folder.

    Raises:
        UserError: When the state is missing, damaged or from another network.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise UserError(f"cannot resume: {folder} has no {STATE_FILE}")
    own = _tensors(trainer)
    found = read_tensors(path, STATE_FORMAT, {name: tensor.shape for name, tensor in own.items()})
    for name, tensor in own.items():
        tensor.copy_(found[name])
    trainer.step, trainer.elapsed_s = _counters(path)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Return the tensors of the training state by name: the trainer's own, not copies."""
    tensors = {f"policy/{name}": tensor.detach() for name, tensor in trainer.policy.named_parameters()}
    tensors |= {f"average/{name}": tensor for name, tensor in trainer.average.policy.named_parameters()}
    return tensors | trainer.optimizer.state()


def _counters(path: Path) -> tuple[int, float]:
    try:
        counters = parse_json(read_metadata(path)["counters"], "counters")
        step, elapsed_s = int(counters["step"]), float(counters["elapsed_s"])
        if step < 0 or not 0 <= elapsed_s < math.inf:
            raise ValueError("negative or infinite")
        return step, elapsed_s
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise UserError(f"cannot resume: {path} does not contain the progress of the training") from error
