"""Metadata of demonstration files, and their compatibility."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_learn.data.layout import PartLayout, common_parts

COMMON_ARGUMENTS = ("num_arms", "robot", "action_mode", "looks")  # must be equal in all files of a training


@dataclass(frozen=True)
class FileSource:
    """Metadata of one demonstration file.

    Attributes:
        path: The file.
        env_kwargs: Arguments of the environment in which the demonstrations were collected.
        action: Layout of one arm's action.
        agent_pos: Layout of one arm's proprioception.
        environment_state: Layout of the privileged state; empty if the file does not hold it.
        phases: Number of the task's phases.
        cameras: Name of each loaded camera -> (H, W) of its images [px].
        train: Content hashes of the training demonstrations.
        valid: Content hashes of the validation demonstrations.
    """

    path: Path
    env_kwargs: Mapping[str, Any]
    action: PartLayout
    agent_pos: PartLayout
    environment_state: PartLayout
    phases: int
    cameras: Mapping[str, tuple[int, int]]
    train: tuple[str, ...]
    valid: tuple[str, ...]

    @property
    def task(self) -> str:
        """Name of the demonstrated task."""
        return str(self.env_kwargs.get("task", ""))

    @property
    def robots(self) -> tuple[str, ...]:
        """Name of each arm's robot."""
        robot, arms = self.env_kwargs.get("robot"), self.env_kwargs.get("num_arms")
        return (robot,) * arms if isinstance(robot, str) and isinstance(arms, int) else tuple(robot or ())

    @property
    def targets(self) -> PartLayout:
        """Possible auxiliary targets: the parts of the privileged state, and the phase, one-hot."""
        return PartLayout((*self.environment_state.parts, ("phase", self.phases)))

    @property
    def demos(self) -> int:
        """Number of demonstrations."""
        return len(self.train) + len(self.valid)


@dataclass(frozen=True)
class DemoSource:
    """Metadata of one or more demonstration files with equal observations and actions.

    Attributes:
        files: Metadata of each file.
    """

    files: tuple[FileSource, ...]

    def __post_init__(self) -> None:
        """Check that all files have the same observations and actions."""
        first, *others = self.files
        for other in others:
            for name, ours in _contract(first).items():
                theirs = _contract(other)[name]
                if ours != theirs:
                    raise UserError(
                        f"{other.path} has {name} {_shown(theirs)}, {first.path} has {_shown(ours)}: "
                        "one policy cannot learn from both"
                    )

    @property
    def path(self) -> Path:
        """Path of the first file, for errors that concern all."""
        return self.files[0].path

    @property
    def tasks(self) -> tuple[str, ...]:
        """The distinct tasks, in the order of the files."""
        return tuple(dict.fromkeys(file.task for file in self.files))

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Arguments of the environment that are equal in all files."""
        first, *others = (file.env_kwargs for file in self.files)
        return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}

    @property
    def action(self) -> PartLayout:
        """Layout of one arm's action."""
        return self.files[0].action

    @property
    def agent_pos(self) -> PartLayout:
        """Layout of one arm's proprioception."""
        return self.files[0].agent_pos

    @property
    def environment_state(self) -> PartLayout:
        """Layout of the privileged state; empty if it differs between the files."""
        layouts = {file.environment_state for file in self.files}
        return layouts.pop() if len(layouts) == 1 else PartLayout(())

    @property
    def targets(self) -> dict[str, int]:
        """Name and length of the possible auxiliary targets, without those whose length differs between tasks."""
        return common_parts(file.targets for file in self.files)

    @property
    def demos(self) -> int:
        """Number of demonstrations."""
        return sum(file.demos for file in self.files)

    @property
    def content_hash(self) -> str:
        """Hash of the content hashes of all demonstrations."""
        hashes = "\n".join(value for file in self.files for value in (*file.train, *file.valid))
        return hashlib.sha256(hashes.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the metadata that a checkpoint stores: task, demonstrations and hash of each file and of all."""
        files = []
        for file in self.files:
            content_hash = DemoSource((file,)).content_hash
            files.append({"file": file.path.name, "task": file.task, "demos": file.demos, "content_hash": content_hash})
        return {"files": files, "demos": self.demos, "content_hash": self.content_hash}


def _contract(file: FileSource) -> dict[str, Any]:
    """Properties that must be equal in all files, by their names in error messages."""
    contract = {name: _plain(file.env_kwargs.get(name)) for name in COMMON_ARGUMENTS}
    contract["robot"] = file.robots
    contract["cameras"] = tuple(sorted(file.cameras))
    contract["image sizes"] = dict(sorted(file.cameras.items()))
    return contract | {"action parts": file.action.parts, "proprioception": file.agent_pos.parts}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {size}" for name, size in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value)
