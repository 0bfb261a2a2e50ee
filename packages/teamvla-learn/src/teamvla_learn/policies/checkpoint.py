"""Checkpoint folders: ``model.safetensors`` (weights) and ``config.json`` (everything else), never pickle.

The content of a folder is not trusted: a foreign or damaged file, a wrong version or a wrong shape is a one-line error,
and the shapes of the weights are compared with those of the configured network before it is allocated. Both files
contain a checksum of their content.
"""

import hashlib
import json
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from teamvla_envs.errors import UserError
from teamvla_envs.files import write_bytes, write_text
from teamvla_envs.outside import plain, read_json, shown

from teamvla_learn.config_io import check_bounds, from_json
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.encoders.factory import Tokenizer, make_tokenizer
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint_info import CheckpointInfo, check_info
from teamvla_learn.policies.registry import find_architecture

SCHEMA_VERSION = 2
MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
FORMAT = {"format": "teamvla-policy"}
CHECKSUM = "crc32"  # CRC-32 of the tensors, in the metadata of a safetensors file
CONFIG_HASH = "config_hash"  # SHA-256 of all other entries of the configuration


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the network in evaluation mode, its tokenizer and its metadata."""

    policy: LearnedPolicy
    tokenizer: Tokenizer | None
    info: CheckpointInfo


def save_checkpoint(folder: Path, policy: LearnedPolicy, info: CheckpointInfo, half: bool = False) -> None:
    """Save a policy into an existing folder; each file is replaced atomically.

    Args:
        folder: Checkpoint folder.
        policy: The network.
        info: Metadata.
        half: Whether to round the weights to half precision.

    Raises:
        UserError: When a weight is not finite, possibly after rounding; nothing is written.
    """
    config = {
        "schema_version": SCHEMA_VERSION,
        "policy": type(policy).__name__,
        "model": asdict(policy.config),
        "normalization": policy.normalization.to_json(),
        **asdict(info),
    }
    weights = _weights(policy, half)
    write_text(folder / CONFIG_FILE, json.dumps(config | {CONFIG_HASH: config_hash(config)}, indent=1))
    write_tensors(folder / MODEL_FILE, weights, FORMAT)


def architecture_of(folder: Path) -> str | None:
    """Return the registered name of a checkpoint's architecture; None when loading the checkpoint would fail."""
    try:
        return find_architecture(read_json(folder / CONFIG_FILE)["policy"]).name
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_weights(folder: Path, policy: LearnedPolicy) -> None:
    """Replace only the weights in a checkpoint folder."""
    write_tensors(folder / MODEL_FILE, _weights(policy), FORMAT)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Load a checkpoint folder.

    Raises:
        UserError: When the folder is missing, incomplete, foreign or damaged.
    """
    if not folder.is_dir():
        raise UserError(f"checkpoint {folder} is {'not a folder' if folder.exists() else 'missing'}")
    missing = [name for name in (CONFIG_FILE, MODEL_FILE) if not (folder / name).is_file()]
    if missing:
        raise UserError(f"checkpoint {folder} has no {' and no '.join(missing)}")
    config = _read_config(folder / CONFIG_FILE)
    try:
        architecture = find_architecture(config["policy"])
        model_config: Any = from_json(architecture.config_class, config["model"], "model")
        check_bounds(model_config, "model")
        normalization = Normalization.from_json(config["normalization"])
        entries = {entry.name: config[entry.name] for entry in fields(CheckpointInfo)}
        info = from_json(CheckpointInfo, entries, CONFIG_FILE)
        check_info(info, model_config, architecture.obs_mode)
        tokenizer = _tokenizer(info, model_config)
        with torch.device("meta"):
            shapes = {
                name: tensor.shape for name, tensor in architecture(model_config, normalization).state_dict().items()
            }
        tensors = read_tensors(folder / MODEL_FILE, FORMAT, shapes)
        policy = architecture(model_config, normalization)
    except UserError:
        raise
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
    ) as error:  # fmt: skip
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise UserError(f"checkpoint {folder}: {CONFIG_FILE} does not describe a policy: {plain(reason)}") from error
    policy.load_state_dict(tensors)
    return Checkpoint(policy.eval().requires_grad_(False), tokenizer, info)


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration without its entry ``config_hash``."""
    rest = {name: value for name, value in config.items() if name != CONFIG_HASH}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Replace a safetensors file atomically by tensors of any shape, with their checksum in its metadata."""
    packed = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, _in_order(save(packed, {**metadata, CHECKSUM: _checksum(packed)})))


def read_tensors(
    path: Path, expected_format: Mapping[str, str], shapes: Mapping[str, torch.Size]
) -> dict[str, torch.Tensor]:
    """Read a safetensors file with exactly the tensors of the given names and shapes, as float32.

    The file may contain them in single or half precision.

    Raises:
        UserError: When it holds other tensors, is damaged, or was written by another program.
    """
    with _damage_reported(path), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if any(metadata.get(key) != value for key, value in expected_format.items()):
            raise UserError(f"{path} was not written by TeamVLA as {expected_format['format']}")
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        _compare(path, {name: tuple(part.get_shape()) for name, part in slices.items()}, shapes)
        for name, part in slices.items():
            if part.get_dtype() not in ("F32", "F16"):
                raise UserError(f"{path}: {name} holds {part.get_dtype()}, expected float32 or float16 numbers")
        tensors = {name: file.get_tensor(name) for name in shapes}
    if metadata.get(CHECKSUM, found := _checksum(tensors)) != found:
        raise UserError(f"{path} is damaged: its tensors have checksum {found}, expected {plain(metadata[CHECKSUM])}")
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(f"{path}: {name} must hold finite numbers")
    return {name: tensor.float() for name, tensor in tensors.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file."""
    with _damage_reported(path), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


@contextmanager
def _damage_reported(path: Path) -> Generator[None]:
    try:
        yield
    except UserError:
        raise
    except (SafetensorError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} is damaged or not a safetensors file: {plain(reason)}") from error


def _weights(policy: LearnedPolicy, half: bool = False) -> dict[str, torch.Tensor]:
    """Return the weights in single or half precision, checked to be finite."""
    weights = {name: tensor.half() if half else tensor for name, tensor in policy.state_dict().items()}
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(f"weights {name} are not finite{' in half precision' if half else ''}")
    return weights


def _tokenizer(info: CheckpointInfo, model_config: Any) -> Tokenizer | None:
    if not hasattr(model_config, "language"):
        return None
    if len(info.vocabulary) != model_config.vocabulary_size:
        raise ValueError(f"{len(info.vocabulary)} words, expected {model_config.vocabulary_size}")
    return make_tokenizer(model_config.language, info.vocabulary)


def _compare(path: Path, found: Mapping[str, tuple[int, ...]], shapes: Mapping[str, torch.Size]) -> None:
    if missing := sorted(set(shapes) - set(found)):
        raise UserError(f"{path} lacks {len(missing)} tensors, the first is {plain(missing[0])}")
    if unknown := sorted(set(found) - set(shapes)):
        raise UserError(f"{path} has {len(unknown)} unknown tensors, the first is {plain(unknown[0])}")
    for name, shape in shapes.items():
        if found[name] != tuple(shape):
            raise UserError(f"{path}: {name} has shape {found[name]}, expected {tuple(shape)}")


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path)
    if not isinstance(config, dict) or "schema_version" not in config:
        raise UserError(f"{path} has no schema_version: it was not written by TeamVLA")
    version = config["schema_version"]
    if type(version) is not int or version != SCHEMA_VERSION:
        raise UserError(f"{path} has schema_version {shown(version)}, this program reads {SCHEMA_VERSION}")
    try:
        find_architecture(config.get("policy"))
    except UserError as error:
        raise UserError(f"{path} has {error}") from error
    if CONFIG_HASH in config and config[CONFIG_HASH] != config_hash(config):  # absent in folders of version 0.1
        raise UserError(f"{path} differs from its {CONFIG_HASH}: it was damaged or changed")
    return config


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(tensors[name].flatten().view(torch.uint8).numpy().data, checksum)
    return f"{checksum:08x}"


def _in_order(content: bytes) -> bytes:
    """Sort the metadata of a safetensors file, which ``save`` writes in random order: equal tensors, equal bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + content[end:]
