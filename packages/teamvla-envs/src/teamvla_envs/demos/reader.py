"""Reading demonstrations that may come from anywhere: a file is checked before its first array is handed out.

For example::

    with open_demos("demos/lift.hdf5") as file:
        for name in file.split("train"):
            demo = file.demo(name)
            print(demo.instruction, demo.obs("agent_pos").shape, demo.actions.shape)
"""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.demos import checking, schema
from teamvla_envs.demos.checking import DemoFileError
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    import h5py

__all__ = ["Demo", "DemoFile", "DemoFileError", "open_demos"]


@dataclass(frozen=True)
class Demo:
    """One demonstration; its arrays are read from the file at each access, so keep what you use again.

    Attributes:
        name: ``demo_0``, ``demo_1``, …
        num_samples: T, the number of actions.
        seed: Seed of the reset that began it.
        goal: Goal variant.
        instruction: The sentence that tells the goal.
        success: Whether it ended in success.
        content_hash: The sha256 that the file claims; ``verify_hash`` checks it.
    """

    name: str
    num_samples: int
    seed: int
    goal: str
    instruction: str
    success: bool
    content_hash: str
    _group: "h5py.Group" = field(repr=False)

    def obs(self, key: str) -> np.ndarray:
        """Return an observation, (T, ...): ``agent_pos``, ``environment_state`` or ``pixels/<camera>``."""
        return self._read(f"obs/{key}")

    @property
    def actions(self) -> np.ndarray:
        """Executed actions, (T, A*D) float32 in [-1, 1]."""
        return self._read(schema.ACTIONS)

    @property
    def expert_actions(self) -> np.ndarray:
        """The expert's actions before noise was added, (T, A*D) float32 in [-1, 1]."""
        return self._read(schema.EXPERT_ACTIONS)

    @property
    def rewards(self) -> np.ndarray:
        """Reward of each action, (T,) float32."""
        return self._read(schema.REWARDS)

    @property
    def dones(self) -> np.ndarray:
        """Whether the episode ended with each action, (T,) bool."""
        return self._read(schema.DONES).astype(bool)

    @property
    def phase(self) -> np.ndarray:
        """Index of the task's phase before each action, (T,) int64."""
        return self._read(schema.PHASE)

    @property
    def states(self) -> dict[str, np.ndarray]:
        """Full states of the environment by key, (T+1, ...) each, the initial one first."""
        paths = [path for path in self.paths if path.startswith(schema.STATES)]
        return {path.removeprefix(schema.STATES): self._read(path) for path in paths}

    @property
    def paths(self) -> list[str]:
        """Path of every dataset inside the demonstration, sorted."""
        return sorted(path for path, _ in checking.walk_datasets(self.name, self._group))

    def verify_hash(self) -> bool:
        """Return whether the content still has the hash that was written with it."""
        values = {attribute.name: getattr(self, attribute.name) for attribute in schema.DEMO_ATTRIBUTES}
        known = [path for path in self.paths if schema.find_field(path)]
        return schema.content_hash(values, {path: self._read(path) for path in known}) == self.content_hash

    def _read(self, path: str) -> np.ndarray:
        if path not in self._group:
            raise DemoFileError(f"{self.name} has no {path}; it has {', '.join(self.paths)}")
        return checking.read_array(self.name, self._group, path)


class DemoFile:
    """An open, checked demonstration file; made by ``open_demos``."""

    def __init__(self, path: Path, file: "h5py.File") -> None:
        """Check the whole file: its layout, and that its actions are finite numbers."""
        self.path = path
        data = checking.child_group(file, schema.DATA)
        version = checking.read_attributes(data, schema.FILE_ATTRIBUTES[:1], "file")["schema_version"]
        if version != schema.SCHEMA_VERSION:
            raise DemoFileError(f"schema_version is {version}, this program reads {schema.SCHEMA_VERSION}")
        self._header = checking.read_attributes(data, schema.FILE_ATTRIBUTES, "file")
        self.env_args: dict[str, Any] = self._json("env_args", dict)
        if not isinstance(self.env_args.get("env_kwargs"), dict):
            raise DemoFileError("env_args has no env_kwargs")
        self._demos: dict[str, Demo] = {}
        specs: dict[str, dict[str, schema.ArraySpec]] = {}
        for name in checking.demo_names(data):
            group = checking.child_group(data, name)
            attributes = checking.read_attributes(group, schema.DEMO_ATTRIBUTES, name)
            specs[name] = checking.check_demo(name, group, attributes["num_samples"])
            self._demos[name] = Demo(name, _group=group, **attributes)
        checking.check_alike(specs)
        self._splits = {
            split: checking.read_names(file, f"{schema.MASK}/{split}", self._demos) for split in schema.SPLITS
        }
        if self.total != sum(demo.num_samples for demo in self._demos.values()):
            raise DemoFileError(f"total is {self.total}, but the demonstrations have another number of samples")

    @property
    def names(self) -> list[str]:
        """Names of all demonstrations, in the order of collection."""
        return list(self._demos)

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments that rebuild the environment: ``TeamVectorEnv(num_envs=…, **env_kwargs)``."""
        return dict(self.env_args["env_kwargs"])

    @property
    def total(self) -> int:
        """Number of samples of all demonstrations."""
        return self._header["total"]

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that wrote the file."""
        return self._json("versions", dict)

    @property
    def collection(self) -> dict[str, Any]:
        """How the episodes were collected."""
        return self._json("collection", dict)

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras whose images the file holds."""
        paths = next(iter(self._demos.values())).paths
        return [path.removeprefix(schema.PIXELS) for path in paths if path.startswith(schema.PIXELS)]

    def parts(self, name: str) -> list[tuple[str, int]]:
        """Return the named parts and their lengths of ``action``, ``agent_pos`` or ``environment_state``."""
        return [(str(part), int(length)) for part, length in self._json(f"{name}_parts", list)]

    def split(self, name: str) -> list[str]:
        """Return the names of the demonstrations of ``train`` or ``valid``."""
        if name not in self._splits:
            raise UserError(f"split is {name!r}, allowed are {', '.join(self._splits)}")
        return list(self._splits[name])

    def demo(self, name: str) -> Demo:
        """Return one demonstration."""
        if name not in self._demos:
            names = self.names
            raise UserError(f"{self.path} has no {name!r}; it has {names[0]} to {names[-1]}")
        return self._demos[name]

    def __iter__(self) -> Iterator[Demo]:
        return iter(self._demos.values())

    def __len__(self) -> int:
        return len(self._demos)

    def _json(self, name: str, kind: type) -> Any:
        try:
            value = json.loads(self._header[name])
        except json.JSONDecodeError as error:
            raise DemoFileError(f"attribute {name} is not JSON ({error})") from error
        if not isinstance(value, kind):
            raise DemoFileError(f"attribute {name} holds a {type(value).__name__}, expected a {kind.__name__}")
        return value


@contextmanager
def open_demos(path: str | Path) -> Generator[DemoFile]:
    """Open a demonstration file for reading and check it.

    Raises:
        FileNotFoundError: When there is no such file.
        DemoFileError: When it is no demonstration file, or a damaged one.
    """
    import h5py

    path = Path(path)
    with path.open("rb"):
        pass  # says plainly when the file is missing, a folder or not readable
    if not h5py.is_hdf5(path):
        raise DemoFileError(f"{path} is not an HDF5 file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DemoFileError(f"{path} cannot be read, it may be cut short ({error})") from error
    with file:
        try:
            demos = DemoFile(path, file)
        except DemoFileError as error:
            raise DemoFileError(f"{path}: {error}") from error.__cause__
        yield demos
