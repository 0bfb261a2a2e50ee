"""What demonstration files say of themselves, and whether several of them can be learned from together."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_learn.data.layout import PartLayout

COMMON_ARGUMENTS = ("num_arms", "robot", "action_mode", "looks")  # what one policy can act with


@dataclass(frozen=True)
class FileSource:
    """What one demonstration file says of itself.

    Attributes:
        path: The file.
        env_kwargs: Arguments that rebuild the environment the demonstrations were collected in.
        action: Parts of one arm's action.
        agent_pos: Parts of one arm's proprioception.
        environment_state: Parts of the privileged state; none when the file does not hold it.
        phases: Number of the task's phases.
        cameras: Camera name to (H, W) of its pictures [px], those that were read.
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
        """Name of the task that was demonstrated."""
        return str(self.env_kwargs.get("task", ""))

    @property
    def robots(self) -> tuple[str, ...]:
        """Name of each arm's robot, however the file tells it."""
        robot, arms = self.env_kwargs.get("robot"), self.env_kwargs.get("num_arms")
        return (robot,) * arms if isinstance(robot, str) and isinstance(arms, int) else tuple(robot or ())

    @property
    def targets(self) -> PartLayout:
        """What a policy can learn to tell: the parts of the privileged state, and the phase as one number per phase."""
        return PartLayout((*self.environment_state.parts, ("phase", self.phases)))

    @property
    def demos(self) -> int:
        """Number of demonstrations."""
        return len(self.train) + len(self.valid)


@dataclass(frozen=True)
class DemoSource:
    """One or several demonstration files that agree in what a policy sees and does.

    Attributes:
        files: What each file says of itself.
    """

    files: tuple[FileSource, ...]

    def __post_init__(self) -> None:
        """Refuse files that differ in what a policy sees or does."""
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
        """The first file, for errors that concern all."""
        return self.files[0].path

    @property
    def tasks(self) -> tuple[str, ...]:
        """The different tasks, in the order of the files."""
        return tuple(dict.fromkeys(file.task for file in self.files))

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Arguments of the environment that all files have in common."""
        first, *others = (file.env_kwargs for file in self.files)
        return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}

    @property
    def action(self) -> PartLayout:
        """Parts of one arm's action."""
        return self.files[0].action

    @property
    def agent_pos(self) -> PartLayout:
        """Parts of one arm's proprioception."""
        return self.files[0].agent_pos

    @property
    def environment_state(self) -> PartLayout:
        """Parts of the privileged state; none when the files' differ."""
        layouts = {file.environment_state for file in self.files}
        return layouts.pop() if len(layouts) == 1 else PartLayout(())

    @property
    def targets(self) -> dict[str, int]:
        """Name and length of what a policy can learn to tell in some task, and in none in another length."""
        sizes: dict[str, set[int]] = {}
        for file in self.files:
            for name, size in file.targets.parts:
                sizes.setdefault(name, set()).add(size)
        return {name: size.pop() for name, size in sizes.items() if len(size) == 1}

    @property
    def demos(self) -> int:
        """Number of demonstrations read."""
        return sum(file.demos for file in self.files)

    @property
    def content_hash(self) -> str:
        """Hash over the demonstrations' own hashes: the same data gives the same value."""
        hashes = "\n".join(value for file in self.files for value in (*file.train, *file.valid))
        return hashlib.sha256(hashes.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return what a checkpoint tells of its data: files with task, demonstrations and hash, and the whole."""
        files = []
        for file in self.files:
            content_hash = DemoSource((file,)).content_hash
            files.append({"file": file.path.name, "task": file.task, "demos": file.demos, "content_hash": content_hash})
        return {"files": files, "demos": self.demos, "content_hash": self.content_hash}


def _contract(file: FileSource) -> dict[str, Any]:
    """What must be equal in all files, by the name that an error calls it."""
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
