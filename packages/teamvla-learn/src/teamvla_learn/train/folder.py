"""The folder of a training: complete at every moment, never mixed with what something else wrote.

It appears with its first checkpoint, in one rename; later each of its files is only replaced whole.
"""

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import (
    CONFIG_FILE,
    MODEL_FILE,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
    write_text,
)
from teamvla_learn.train import tensorboard
from teamvla_learn.train.log import LOG_FILE
from teamvla_learn.train.resuming import STATE_FILE, save_state
from teamvla_learn.train.settings import SETTINGS_FILE
from teamvla_learn.train.trainer import Trainer

BEST = "best"  # a checkpoint folder inside the folder
FILES = (CONFIG_FILE, MODEL_FILE, STATE_FILE, LOG_FILE, SETTINGS_FILE, BEST, tensorboard.FOLDER)
_WHEREVER = ("device",)  # settings that a training may be continued with others of


def check_out(out: Path, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that cannot be written to, or would lose something.

    Raises:
        UserError: Saying what is there and what can be done.
    """
    if resume and overwrite:
        raise UserError("resume and overwrite exclude each other")
    if resume:
        load_checkpoint(out)
        return
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"out is {out}, which is a file; expected a folder")
    present = sorted(path.name for path in out.iterdir())
    if present and not overwrite:
        raise UserError(f"out is {out}, which is not empty: use --resume, --overwrite or another folder")
    if foreign := [name for name in present if name not in FILES]:
        raise UserError(f"out is {out}, which also holds {foreign[0]}: --overwrite would delete it")


def create_folder(out: Path, trainer: Trainer, info: CheckpointInfo, settings: str) -> None:
    """Write the first checkpoint of a training, and its settings as YAML."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    temporary.mkdir()
    try:
        save_checkpoint(temporary, trainer.average.policy, info)
        save_state(temporary, trainer)
        write_text(temporary / SETTINGS_FILE, settings)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class BestCheckpoint:
    """Keeps the weights that solved most episodes, as a checkpoint folder of their own.

    Args:
        out: The training's folder.
    """

    def __init__(self, out: Path):
        self._folder = out / BEST
        self._success = -1.0
        if (self._folder / CONFIG_FILE).is_file():
            self._success = float(load_checkpoint(self._folder).info.training.get("success", -1.0))

    def offer(self, policy: LearnedPolicy, info: CheckpointInfo, step: int, success: float) -> None:
        """Keep a policy if it is better than what is kept, or as good and trained for longer."""
        if success < self._success:
            return
        self._folder.mkdir(exist_ok=True)
        save_checkpoint(
            self._folder, policy, replace(info, training={**info.training, "step": step, "success": success})
        )
        self._success = success


def check_same(folder: Path, policy: LearnedPolicy, info: CheckpointInfo) -> None:
    """Refuse to resume with other data, another network or other settings."""
    begun = load_checkpoint(folder)
    if begun.info.data.get("content_hash") != info.data["content_hash"]:
        files = ", ".join(str(file.get("file")) for file in begun.info.data.get("files", ()))
        raise UserError(f"cannot resume: {folder} was begun with other demonstrations ({files})")
    ours = {"policy": type(policy).__name__, **_flat(asdict(policy.config)), **_flat(dict(info.training))}
    theirs = {
        "policy": type(begun.policy).__name__,
        **_flat(asdict(begun.policy.config)),
        **_flat(dict(begun.info.training)),
    }
    for name, value in ours.items():
        if theirs.get(name) != value and name not in _WHEREVER:
            raise UserError(f"cannot resume: {name} is {value}, {folder} was begun with {theirs.get(name)}")


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of nested dicts by their own names, lists as tuples, so that errors can name one."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: repr(value).replace("[", "(").replace("]", ")")}
    return flat
