"""The state of a training, kept beside the checkpoint so that it resumes exactly where it stopped."""

import json
import math
from pathlib import Path

from teamvla_envs.errors import UserError
from teamvla_envs.outside import parse_json
from torch import Tensor

from teamvla_learn.policies.checkpoint import read_metadata, read_tensors, write_tensors
from teamvla_learn.train.trainer import Trainer

STATE_FILE = "training_state.safetensors"
FORMAT = {"format": "teamvla-training", "schema_version": "1"}


def save_state(folder: Path, trainer: Trainer) -> None:
    """Replace the training state in a checkpoint folder, in one go."""
    counters = {"step": trainer.step, "elapsed_s": trainer.elapsed_s}
    write_tensors(folder / STATE_FILE, _tensors(trainer), FORMAT | {"counters": json.dumps(counters)})


def load_state(folder: Path, trainer: Trainer) -> None:
    """Continue a trainer, made like the one that was saved, from the state in a checkpoint folder.

    Raises:
        UserError: When the state is missing, damaged or of another network.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise UserError(f"cannot resume: {folder} has no {STATE_FILE}")
    own = _tensors(trainer)
    found = read_tensors(path, FORMAT, {name: tensor.shape for name, tensor in own.items()})
    for name, tensor in own.items():
        tensor.copy_(found[name])
    trainer.step, trainer.elapsed_s = _counters(path)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Return every tensor of the training state, by name; they are the trainer's own, not copies."""
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
        raise UserError(f"cannot resume: {path} does not say how far the training was") from error
