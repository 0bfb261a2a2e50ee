"""Reader of demonstration files, which are not trusted: a file is checked before any of its arrays is returned.

For example::

    with open_demos("demos/lift.hdf5") as file:
        for name in file.split("train"):
            demo = file.demo(name)
            print(demo.instruction, demo.obs("agent_pos").shape, demo.actions.shape)
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.demos import schema, validation
from teamvla_envs.demos.hdf5_heaps import check_heaps
from teamvla_envs.demos.header import Header
from teamvla_envs.demos.structure import DemoFileError, check_structure, check_total, damage_reported
from teamvla_envs.errors import UserError
from teamvla_envs.outside import plain, shown

if TYPE_CHECKING:
    import h5py

    from teamvla_envs.env.vector import TeamVectorEnv

__all__ = ["Demo", "DemoFile", "DemoFileError", "check_env_kwargs", "make_recorded_env", "open_demos"]

_NOT_FROM_FILES = {"num_envs", "num_threads", "device", "solver", "autoreset_mode"}  # decided by this machine
_PARTS = ("action", "agent_pos", "environment_state")
_RENAMED = {"goal_error": "object_to_goal"}  # parts of schema 1 whose sign differs today; states have not changed


@dataclass(frozen=True)
class Demo:
    """One demonstration; its arrays are read from the file at each access, so keep arrays that you use again.

    Attributes:
        name: ``demo_0``, ``demo_1``, …
        num_samples: T, the number of actions.
        seed: Seed of the reset that began it.
        goal: Name of the goal.
        instruction: The instruction, which states the goal.
        success: Whether it ended in success.
        content_hash: sha256 of the content as recorded in the file; ``verify_hash`` checks it.
    """

    name: str
    num_samples: int
    seed: int
    goal: str
    instruction: str
    success: bool
    content_hash: str
    _group: "h5py.Group" = field(repr=False)
    _specs: Mapping[str, schema.ArraySpec] = field(repr=False)

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
        """Mask of the actions that ended the episode, (T,) bool."""
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
        """Path of every dataset of the layout inside the demonstration, sorted."""
        return sorted(self._specs)

    def verify_hash(self) -> bool:
        """Return whether the content still has the hash that was written with it."""
        values = {attribute.name: getattr(self, attribute.name) for attribute in schema.DEMO_ATTRIBUTES}
        return schema.content_hash(values, {path: self._read(path) for path in self.paths}) == self.content_hash

    def _read(self, path: str) -> np.ndarray:
        if path not in self._specs:
            raise DemoFileError(f"{self.name} has no {path}; it has {', '.join(map(plain, self.paths))}")
        return validation.read_array(self.name, self._group, path)


class DemoFile:
    """An open, checked demonstration file; made by ``open_demos``."""

    def __init__(self, path: Path, file: "h5py.File") -> None:
        """Check the whole file: its structure, its layout, its header, and that its actions are finite numbers."""
        self.path = path
        check_structure(file)
        data = validation.child_group(file, schema.DATA)
        self._header = Header(data)
        self._demos: dict[str, Demo] = {}
        specs: dict[str, dict[str, schema.ArraySpec]] = {}
        sizes: list[int] = []
        for name in validation.demo_names(data):
            group = validation.child_group(data, name)
            attributes = validation.read_attributes(group, schema.DEMO_ATTRIBUTES, name)
            specs[name], size = validation.measure_demo(name, group, attributes["num_samples"])
            sizes.append(size)
            self._demos[name] = Demo(name, _group=group, _specs=specs[name], **attributes)
        check_total(sizes, file.id.get_filesize())
        validation.check_same_arrays(specs)
        self._splits = validation.read_masks(file, self._demos)
        if self.total != sum(demo.num_samples for demo in self):
            raise DemoFileError(f"total is {self.total}, but the demonstrations have another number of samples")
        self._header.check_hash(path, self._splits, {demo.name: demo.content_hash for demo in self})
        self._header.check_arrays(next(iter(specs.values())))
        for name, group_specs in specs.items():
            validation.check_demo(name, data[name], group_specs)

    @property
    def names(self) -> list[str]:
        """Names of all demonstrations, in the order of collection."""
        return list(self._demos)

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments that rebuild the environment: ``TeamVectorEnv(num_envs=…, **env_kwargs)``."""
        return dict(self.env_args["env_kwargs"])

    @property
    def env_args(self) -> dict[str, Any]:
        """``env_name``, ``type``, ``env_version`` and ``env_kwargs``."""
        return self._header.env_args

    @property
    def total(self) -> int:
        """Number of samples of all demonstrations."""
        return self._header.total

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that wrote the file."""
        return self._header.versions

    @property
    def collection(self) -> dict[str, Any]:
        """Policy, seeds and noise of the collection."""
        return self._header.collection

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras whose images the file holds."""
        paths = next(iter(self._demos.values())).paths
        return [path.removeprefix(schema.PIXELS) for path in paths if path.startswith(schema.PIXELS)]

    def parts(self, name: str) -> list[tuple[str, int]]:
        """Return the named parts and their lengths of ``action``, ``agent_pos`` or ``environment_state``."""
        return list(self._header.parts[name])

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


@contextmanager
def open_demos(path: str | Path) -> Generator[DemoFile]:
    """Open a demonstration file for reading and check it.

    Raises:
        FileNotFoundError: When there is no such file.
        DemoFileError: When it is no demonstration file, or a damaged one.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DemoFileError(f"{path} is not a regular file")
    with path.open("rb"):
        pass  # a plain error when the file is missing, a folder or not readable
    with _open_hdf5(path) as file:
        try:
            with damage_reported("it"):
                check_heaps(path)
                demos = DemoFile(path, file)
        except UserError as error:
            raise DemoFileError(f"{path}: {error}") from error
        yield demos


def _open_hdf5(path: Path) -> "h5py.File":
    import h5py

    try:
        return h5py.File(path, "r")
    except BlockingIOError as error:
        raise DemoFileError(f"{path} is locked: another program is writing to it; try again when it is done") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error)
        if "signature not found" in reason:
            raise DemoFileError(f"{path} is not an HDF5 file") from error
        if "already open for write" in reason:
            raise DemoFileError(
                f"{path} is open for writing in another program, or was left so by one that was killed"
            ) from error
        raise DemoFileError(f"{path} cannot be read, it may be cut short ({plain(reason)})") from error


def make_recorded_env(file: DemoFile, num_envs: int, **overrides: Any) -> "TeamVectorEnv":
    """Make an environment from a file's ``env_kwargs``, with autoreset disabled.

    Args:
        file: The demonstration file.
        num_envs: Number of worlds.
        overrides: Arguments that replace the file's, such as ``obs_mode="state"``.

    Raises:
        DemoFileError: When the file's arguments are not valid, or one whose actions and observations have other
            parts than the file's.
    """
    from gymnasium.vector import AutoresetMode

    from teamvla_envs.env.vector import TeamVectorEnv

    recorded = _recorded(file)
    try:
        env = TeamVectorEnv(**(recorded | overrides), num_envs=num_envs, autoreset_mode=AutoresetMode.DISABLED)
    except (TypeError, ValueError, OverflowError) as error:
        raise DemoFileError(f"{file.path}: env_kwargs make no environment: {plain(str(error))}") from error
    for name in _PARTS:
        made = [(str(part), int(length)) for part, length in getattr(env, f"{name}_parts")]
        found = [(_RENAMED.get(part, part), length) for part, length in file.parts(name)]
        if made != found:
            env.close()
            missing, unknown = ([pair for pair in a if pair not in b] for a, b in ((made, found), (found, made)))
            raise DemoFileError(
                f"{file.path}: env_kwargs make an environment whose {name} has other parts: {missing or made}, "
                f"the file has {plain(str(unknown or found))}"
            )
    return env


def check_env_kwargs(file: DemoFile) -> None:
    """Check the arguments of a file's environment without making it.

    A task of a package that is not installed is allowed, with the arguments that only it could check.

    Raises:
        DemoFileError: Naming the argument, its value and what is allowed.
    """
    from teamvla_envs.arguments import check_choice
    from teamvla_envs.control.actions import ACTION_MODES
    from teamvla_envs.env.observations import OBS_MODES
    from teamvla_envs.env.spaces import check_image_size
    from teamvla_envs.registration import get_task, registered_tasks
    from teamvla_envs.scene.robots.registry import get_robot
    from teamvla_envs.scene.visual_meshes import LOOKS

    kwargs = _recorded(file)
    checks: dict[str, Callable[[Any], object]] = {
        "obs_mode": lambda value: check_choice("obs_mode", value, OBS_MODES),
        "action_mode": lambda value: check_choice("action_mode", value, ACTION_MODES),
        "looks": lambda value: check_choice("looks", value, LOOKS),
        "image_size": check_image_size,
    }
    arms = kwargs.get("num_arms", 2)
    robots = kwargs.get("robot", "panda")
    try:
        for name, check in checks.items():
            if name in kwargs:
                check(kwargs[name])
        joints = {len(get_robot(name).joints) for name in ([robots] if isinstance(robots, str) else robots)}
        if len(joints) > 1:
            raise UserError(f"robot: {robots} have different numbers of joints")
        check_choice(
            "instruction_for", kwargs.get("instruction_for", "all"), ("all", *(f"arm_{k}" for k in range(arms)))
        )
        if kwargs["task"] in registered_tasks():
            chosen = {name: kwargs[name] for name in ("split", "randomization") if name in kwargs}
            get_task(kwargs["task"])(num_arms=arms, **chosen)
    except (TypeError, ValueError, OverflowError) as error:
        raise DemoFileError(f"{file.path}: env_kwargs make no environment: {plain(str(error))}") from error


def _recorded(file: DemoFile) -> dict[str, Any]:
    """Return the arguments that a file may choose."""
    from teamvla_envs.env.arguments import ENV_ARGUMENTS

    recorded = {name: value for name, value in file.env_kwargs.items() if name not in _NOT_FROM_FILES}
    if unknown := sorted(recorded.keys() - set(ENV_ARGUMENTS)):
        raise DemoFileError(f"{file.path}: env_kwargs has the unknown argument {shown(unknown[0])}")
    return recorded
