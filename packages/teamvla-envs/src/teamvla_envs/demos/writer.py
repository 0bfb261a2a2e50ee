"""Writer of demonstrations: a finished one is never lost, and a partial one is never visible.

Every file is replaced atomically, see :mod:`teamvla_envs.files`. An episode is first a file of its own;
``pack_episodes`` joins the files of a collection into one, copying compressed chunks as they are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from teamvla_envs.demos import schema
from teamvla_envs.demos.hdf5 import new_hdf5
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt
from teamvla_envs.registration import environment_id

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_EPISODE = "episode"


@dataclass(frozen=True)
class Episode:
    """One finished episode in memory.

    Attributes:
        seed: Seed of its reset.
        goal: Name of the goal.
        instruction: The instruction, which states the goal.
        success: Whether it ended in success.
        arrays: Every dataset of ``schema.ARRAYS`` by its path, such as ``actions`` (T, A*D).
    """

    seed: int
    goal: str
    instruction: str
    success: bool
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def num_samples(self) -> int:
        """T, the number of actions."""
        return len(self.arrays[schema.ACTIONS])

    def attributes(self) -> dict[str, Any]:
        """Return the values of ``schema.DEMO_ATTRIBUTES``."""
        values: dict[str, Any] = {
            "num_samples": self.num_samples,
            "seed": self.seed,
            "goal": self.goal,
            "instruction": self.instruction,
            "success": self.success,
        }
        return values | {"content_hash": schema.content_hash(values, self.arrays)}


@dataclass(frozen=True)
class FileHeader:
    """Attributes of a demonstration file; see ``schema.FILE_ATTRIBUTES``."""

    env_args: Mapping[str, Any]
    versions: Mapping[str, str]
    collection: Mapping[str, Any]
    action_parts: Sequence[tuple[str, int]]
    agent_pos_parts: Sequence[tuple[str, int]]
    environment_state_parts: Sequence[tuple[str, int]]

    @classmethod
    def of(cls, env: "TeamVectorEnv", collection: Mapping[str, Any], versions: Mapping[str, str]) -> Self:
        """Build the header of episodes that were recorded in an environment.

        Args:
            env: The environment.
            collection: How the episodes were collected, as JSON-able values.
            versions: Package versions that the results depend on, with that of ``teamvla-envs``.
        """
        env_args = {
            "env_name": environment_id(env.task_name),
            "type": schema.ENV_TYPE,
            "env_version": versions["teamvla-envs"],
            "env_kwargs": env.env_kwargs,
        }
        parts = env.action_parts, env.agent_pos_parts, env.environment_state_parts
        return cls(env_args, versions, collection, *parts)

    def attributes(self) -> dict[str, str]:
        """Return each entry as JSON."""
        return {name: json.dumps(value, sort_keys=True) for name, value in vars(self).items()}


def write_episode(path: Path, episode: Episode) -> None:
    """Write one episode into a file of its own, atomically.

    Raises:
        UserError: When its arrays do not have the layout of ``schema``.
    """
    specs = {name: (array.shape, array.dtype.name) for name, array in episode.arrays.items()}
    problem = schema.find_problem(specs, episode.num_samples)
    if problem:
        raise UserError(f"episode of seed {episode.seed}: {problem}")
    with new_hdf5(path) as (file, _):
        group = file.create_group(_EPISODE)
        group.attrs.update(episode.attributes())
        for name in sorted(episode.arrays):
            group.create_dataset(name, data=episode.arrays[name], **_storage(name, episode.arrays[name]))


def pack_episodes(parts: Sequence[Path], out: Path, header: FileHeader) -> None:
    """Join episode files into one demonstration file, atomically; the parts stay, also after an interrupt.

    Args:
        parts: Files of ``write_episode``, in the order of ``demo_0``, ``demo_1``, …
        out: The file to write; one that exists is replaced.
        header: Attributes of the file.
    """
    import h5py

    with new_hdf5(out) as (file, check_disk):
        data = file.create_group(schema.DATA)
        data.attrs.update(header.attributes())
        data.attrs["schema_version"] = schema.SCHEMA_VERSION
        total = 0
        for index, part in enumerate(parts):
            name = f"{schema.DEMO_PREFIX}{index}"
            with h5py.File(part, "r") as source:
                file.copy(source[_EPISODE], data, name)
            check_disk()
            check_interrupt()
            total += int(data[name].attrs["num_samples"])
        data.attrs["total"] = total
        names = [f"{schema.DEMO_PREFIX}{index}" for index in range(len(parts))]
        masks = schema.split_names(names)
        for split, members in masks.items():
            file.create_dataset(f"{schema.MASK}/{split}", data=np.array(members, dtype="S"))
        hashes = {name: data[name].attrs["content_hash"] for name in names}
        data.attrs["header_hash"] = schema.header_hash(data.attrs, masks, hashes)


def _storage(name: str, array: np.ndarray) -> dict[str, Any]:
    """Return the storage options of a dataset: images and states are compressed, the rest is not."""
    compressed = {"compression": "gzip", "compression_opts": schema.GZIP_LEVEL}
    if name.startswith(schema.PIXELS):
        return compressed | {"chunks": (min(schema.IMAGE_CHUNK, len(array)), *array.shape[1:])}
    if name.startswith(schema.STATES):
        return compressed | {"chunks": array.shape, "shuffle": True}  # much of a state never changes
    return {}
