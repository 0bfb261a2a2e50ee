"""Layout of a demonstration file: every array and attribute with its shape, unit and meaning.

The layout is robomimic's: ``data/demo_0/{obs, actions, rewards, dones, states}``, ``mask/{train, valid}``.
The writer, the reader's checks and the documentation are all derived from the tables of this file, which
imports nothing heavy, so that a training program can read it without a physics engine.

Axes: T samples of an episode, A arms, D action entries per arm, P proprioception entries per arm, S entries
of the environment's state, H and W pixels. Index t of ``obs`` is the observation before ``actions[t]``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

SCHEMA_VERSION: Final = 2
READ_VERSIONS: Final = (1, 2)  # version 1 had no header_hash
ENV_TYPE: Final = "teamvla"
MAX_STEPS: Final = 1_000_000  # longer than any episode; a larger number in a file is damage

MAX_ARMS: Final = 64
MAX_WIDTH: Final = 100_000  # entries of a named part

DATA: Final = "data"
MASK: Final = "mask"
SPLITS: Final = ("train", "valid")
DEMO_PREFIX: Final = "demo_"

AGENT_POS: Final = "obs/agent_pos"
ENVIRONMENT_STATE: Final = "obs/environment_state"
PIXELS: Final = "obs/pixels/"
STATES: Final = "states/"
ACTIONS: Final = "actions"
EXPERT_ACTIONS: Final = "expert_actions"
REWARDS: Final = "rewards"
DONES: Final = "dones"
PHASE: Final = "phase"

IMAGE_CHUNK: Final = 16  # images of one HDF5 chunk
GZIP_LEVEL: Final = 4


@dataclass(frozen=True)
class ArrayField:
    """One dataset of a demonstration.

    Attributes:
        path: Its path inside the demonstration; ``<name>`` stands for any name, which may hold slashes.
        shape: One symbol or number per axis; ``...`` stands for any further axes.
        dtypes: The numpy dtypes that it may have.
        unit: Unit of its numbers, empty when they have none.
        meaning: Its content.
        required: Whether every demonstration has it.
    """

    path: str
    shape: tuple[str | int, ...]
    dtypes: tuple[str, ...]
    unit: str
    meaning: str
    required: bool = True

    def matches(self, path: str) -> bool:
        """Return whether a dataset's path is this field's."""
        stem, placeholder, _ = self.path.partition("<")
        if not placeholder:
            return path == self.path
        return path.startswith(stem) and len(path) > len(stem)


@dataclass(frozen=True)
class AttributeField:
    """One attribute: its name, the Python type it is read as, and its content."""

    name: str
    type: type
    meaning: str


ARRAYS: Final[tuple[ArrayField, ...]] = (
    ArrayField(AGENT_POS, ("T", "A*P"), ("float32",), "see agent_pos_parts", "proprioception of all arms"),
    ArrayField(
        ENVIRONMENT_STATE,
        ("T", "S"),
        ("float32",),
        "see environment_state_parts",
        "privileged state and goal",
        False,
    ),
    ArrayField(
        PIXELS + "<camera>",
        ("T", "H", "W", 3),
        ("uint8",),
        "",
        "RGB images of one camera, gzip compressed",
        False,
    ),
    ArrayField(ACTIONS, ("T", "A*D"), ("float32",), "see action_parts", "executed actions, in [-1, 1]"),
    ArrayField(
        EXPERT_ACTIONS,
        ("T", "A*D"),
        ("float32",),
        "see action_parts",
        "the expert's actions, before noise was added",
    ),
    ArrayField(REWARDS, ("T",), ("float32",), "", "reward of each action"),
    ArrayField(DONES, ("T",), ("uint8",), "", "1 where the episode ended with this action, else 0"),
    ArrayField(PHASE, ("T",), ("int64",), "", "phase of the task before each action, an index"),
    ArrayField(
        STATES + "<key>",
        ("T+1", "..."),
        ("float64", "float32", "int64", "int32", "uint64", "uint32", "uint8", "bool"),
        "",
        "full state of the environment (get_state) before each action and after the last",
    ),
)

DEMO_ATTRIBUTES: Final[tuple[AttributeField, ...]] = (
    AttributeField("num_samples", int, "T, the number of actions"),
    AttributeField("seed", int, "seed of the reset that began the episode"),
    AttributeField("goal", str, "name of the goal"),
    AttributeField("instruction", str, "instruction, which states the goal"),
    AttributeField("success", bool, "whether the episode ended in success"),
    AttributeField("content_hash", str, "sha256 over the arrays and the other attributes"),
)

FILE_ATTRIBUTES: Final[tuple[AttributeField, ...]] = (
    AttributeField("schema_version", int, "version of this layout"),
    AttributeField("total", int, "samples of all demonstrations"),
    AttributeField("env_args", str, "JSON: env_name, type, env_version and the env_kwargs that rebuild it"),
    AttributeField("versions", str, "JSON: versions of the packages that wrote the file"),
    AttributeField("collection", str, "JSON: how the episodes were collected"),
    AttributeField("action_parts", str, "JSON: [name, length] of each part of one arm's action"),
    AttributeField("agent_pos_parts", str, "JSON: [name, length] of each part of one arm's proprioception"),
    AttributeField("environment_state_parts", str, "JSON: [name, length] of each part of environment_state"),
    AttributeField(
        "header_hash", str, "sha256 over the other attributes, the masks and the content hashes; since version 2"
    ),
)


ArraySpec = tuple[tuple[int, ...], str]  # shape and dtype of one dataset


def find_field(path: str) -> ArrayField | None:
    """Return the field that a dataset's path belongs to, or None when the layout knows no such dataset."""
    return next((field for field in ARRAYS if field.matches(path)), None)


def find_problem(arrays: Mapping[str, ArraySpec], num_samples: int) -> str | None:
    """Compare the arrays of one demonstration with the layout.

    Args:
        arrays: Shape and dtype of each dataset, by its path inside the demonstration.
        num_samples: T.

    Returns:
        The first violation of the layout, or None.
    """
    if not 1 <= num_samples <= MAX_STEPS:
        return f"num_samples is {num_samples}, expected 1 to {MAX_STEPS}"
    for field in ARRAYS:
        if field.required and not any(map(field.matches, arrays)):
            return f"{field.path} is missing"
    axes = {"T": num_samples, "T+1": num_samples + 1}
    for path, (shape, dtype) in arrays.items():
        field_of_path = find_field(path)
        if field_of_path is None:
            continue  # foreign datasets are ignored
        if dtype not in field_of_path.dtypes:
            return f"{path} has dtype {dtype}, expected {' or '.join(field_of_path.dtypes)}"
        if not _fits(shape, field_of_path.shape, axes):
            expected = ", ".join(str(axes.get(str(symbol), symbol)) for symbol in field_of_path.shape)
            return f"{path} has shape {shape}, expected ({expected})"
    return None


def content_hash(attributes: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 of a demonstration's attributes and of each array's path, dtype, shape and bytes.

    Args:
        attributes: The values of ``DEMO_ATTRIBUTES``; ``content_hash`` itself is left out.
        arrays: Every dataset by its path inside the demonstration.
    """
    digest = hashlib.sha256()
    for attribute in DEMO_ATTRIBUTES:
        if attribute.name != "content_hash":
            digest.update(f"{attribute.name}={attribute.type(attributes[attribute.name])}\n".encode())
    for path in sorted(arrays):
        array = np.ascontiguousarray(arrays[path])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{path} {array.dtype.name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def header_hash(
    attributes: Mapping[str, object], masks: Mapping[str, Sequence[str]], content_hashes: Mapping[str, str]
) -> str:
    """Return the sha256 of the attributes of a file: a change of one bit gives another value.

    Args:
        attributes: The values of ``FILE_ATTRIBUTES``; ``header_hash`` itself is left out.
        masks: Names of the demonstrations of each split.
        content_hashes: Content hash of each demonstration by its name.
    """
    stated = {
        field.name: field.type(attributes[field.name]) for field in FILE_ATTRIBUTES if field.name != "header_hash"
    }
    whole = [stated, {split: list(masks[split]) for split in SPLITS}, dict(content_hashes)]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def split_names(names: Sequence[str]) -> dict[str, list[str]]:
    """Divide demonstrations into training (90 %) and validation (10 %, at least one of two or more).

    The choice depends on their number alone, so that the same collection is always divided in the same way.
    """
    num_valid = max(round(0.1 * len(names)), 1) if len(names) > 1 else 0
    chosen = set(np.random.default_rng(0).permutation(len(names))[:num_valid].tolist())
    return {
        "train": [name for index, name in enumerate(names) if index not in chosen],
        "valid": [name for index, name in enumerate(names) if index in chosen],
    }


def _fits(shape: tuple[int, ...], symbols: tuple[str | int, ...], axes: dict[str, int]) -> bool:
    """Return whether a shape fits, noting in ``axes`` the length of each symbol met for the first time."""
    if symbols[-1] == "...":
        symbols = symbols[:-1]
        shape = shape[: len(symbols)]
    if len(shape) != len(symbols):
        return False
    return all(
        length == (symbol if isinstance(symbol, int) else axes.setdefault(symbol, length))
        for length, symbol in zip(shape, symbols, strict=True)
    )
