"""Decoding of demonstrations into arrays, with verification of their content hashes."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from teamvla_envs.demos import schema
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import Demo

AGENT_POS, ENVIRONMENT_STATE, EXPERT_ACTIONS, PIXELS = "agent_pos", "environment_state", "expert_actions", "pixels/"
PHASE = "phase"
CAMERA_FIELDS = "field.camera_"  # prefix of the recorded camera randomization


@dataclass(frozen=True)
class DecodedDemos:
    """The samples of E demonstrations, concatenated.

    Attributes:
        arrays: ``agent_pos``, ``expert_actions``, ``phase``, optionally ``environment_state``, and
            ``pixels/<camera>``; the first axis is the samples of all demonstrations.
        lengths: Number of samples of each demonstration.
        instructions: Instruction of each demonstration.
        facts: Constants of an episode under the keys of its recorded states: the task's facts, and the camera
            randomization by ``field.camera_<quantity>.<camera>``; the first axis is E.
    """

    arrays: Mapping[str, np.ndarray]
    lengths: tuple[int, ...]
    instructions: tuple[str, ...]
    facts: Mapping[str, np.ndarray]


class Storage(Protocol):
    """Allocates the arrays to decode into, in memory or in a file."""

    def __call__(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array, which is filled from the first row to the last."""


def in_memory(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Allocate an array of the given shape in memory."""
    return np.zeros(shape, dtype)


def decode(
    demos: "Sequence[Demo]", cameras: Sequence[str], storage: Storage, on_demo: Callable[[], None]
) -> tuple[DecodedDemos, dict[str, int]]:
    """Decode demonstrations of one file.

    Args:
        demos: The demonstrations, in order.
        cameras: Cameras whose images are decoded; with all cameras of the file its content hashes are verified too.
        storage: Allocates the arrays.
        on_demo: Called after each demonstration.

    Returns:
        The samples, and the CRC-32 of each array.

    Raises:
        UserError: When the content of a demonstration does not match its hash.
    """
    total = sum(demo.num_samples for demo in demos)
    arrays: dict[str, np.ndarray] = {}
    checksums: dict[str, int] = {}
    facts: dict[str, list[Any]] = {}
    start = 0
    for demo in demos:
        found = _read(demo, cameras)
        if cameras and set(_cameras(demo)) <= set(cameras):
            _compare(demo, found)
        for name, part in _samples(found, cameras).items():
            if name not in arrays:
                arrays[name] = storage(name, (total, *part.shape[1:]), part.dtype)
            arrays[name][start : start + demo.num_samples] = part
            checksums[name] = zlib.crc32(np.ascontiguousarray(part).data, checksums.get(name, 0))
        for key, values in _constants(found).items():
            facts.setdefault(key, []).append(values[0])
        start += demo.num_samples
        on_demo()
    whole = {key: np.stack(values) for key, values in facts.items() if len(values) == len(demos)}
    lengths, instructions = tuple(demo.num_samples for demo in demos), tuple(demo.instruction for demo in demos)
    return DecodedDemos(arrays, lengths, instructions, whole), checksums


def _read(demo: "Demo", cameras: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the datasets of a demonstration by path, with the images of the given cameras only."""
    skipped = {schema.PIXELS + camera for camera in set(_cameras(demo)).difference(cameras)}
    states = {schema.STATES + key: values for key, values in demo.states.items()}
    return {path: _array(demo, path) for path in demo.paths if path not in skipped | states.keys()} | states


def _array(demo: "Demo", path: str) -> np.ndarray:
    if path.startswith("obs/"):
        return demo.obs(path.removeprefix("obs/"))
    values = getattr(demo, path)
    return values.astype(np.uint8) if path == schema.DONES else values


def _constants(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the recorded states that are constant in an episode: facts of the task and camera randomization."""
    from teamvla_envs.env.saved_state import facts_of, with_facts

    states = {path.removeprefix(schema.STATES): values for path, values in found.items()}
    cameras = {key: values for key, values in states.items() if key.startswith(CAMERA_FIELDS)}
    return with_facts(cameras, facts_of(states))


def check_content(demo: "Demo") -> None:
    """Verify the content hash of a demonstration.

    Raises:
        UserError: When its content does not match.
    """
    _compare(demo, _read(demo, _cameras(demo)))


def _cameras(demo: "Demo") -> list[str]:
    return [path.removeprefix(schema.PIXELS) for path in demo.paths if path.startswith(schema.PIXELS)]


def _compare(demo: "Demo", found: Mapping[str, np.ndarray]) -> None:
    attributes = {attribute.name: getattr(demo, attribute.name) for attribute in schema.DEMO_ATTRIBUTES}
    if schema.content_hash(attributes, found) != demo.content_hash:
        raise UserError(f"{demo.name} does not match its content hash: the file was damaged or changed")


def _samples(found: Mapping[str, np.ndarray], cameras: Sequence[str]) -> dict[str, np.ndarray]:
    named = {AGENT_POS: schema.AGENT_POS, EXPERT_ACTIONS: schema.EXPERT_ACTIONS, PHASE: schema.PHASE}
    samples = {name: found[path] for name, path in named.items()}
    if schema.ENVIRONMENT_STATE in found:
        samples[ENVIRONMENT_STATE] = found[schema.ENVIRONMENT_STATE]
    return samples | {PIXELS + camera: found[schema.PIXELS + camera] for camera in cameras}
