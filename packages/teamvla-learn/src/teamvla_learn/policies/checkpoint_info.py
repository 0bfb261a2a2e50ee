"""What a checkpoint keeps beside the network, and whether it belongs to the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from teamvla_envs.outside import plain, shown


@dataclass(frozen=True)
class CheckpointInfo:
    """What is kept beside the weights and the network's own configuration.

    Attributes:
        tasks: Names of the tasks that were demonstrated.
        env_kwargs: What the environment must be made with to act in it.
        vocabulary: Words of the tokenizer; empty for a policy that reads no sentence.
        data: Where the demonstrations came from: file names, content hash, how many.
        training: How it was trained.
        versions: Versions of Python, of the packages that wrote it, and of the git tree it was written in.
    """

    tasks: tuple[str, ...]
    env_kwargs: Mapping[str, Any]
    vocabulary: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def check_info(info: CheckpointInfo, config: Any, obs_mode: str) -> None:
    """Check that the environment's arguments are those of the network, and no others.

    Args:
        info: What is kept beside the network.
        config: The network's configuration.
        obs_mode: Observation mode of its environments.

    Raises:
        ValueError: Naming the entry, its value and what is expected.
    """
    sees = hasattr(config, "cameras")
    size = list(config.image_size) if sees else None
    expected: dict[str, tuple[Any, ...]] = {
        "num_arms": (config.space.num_arms,),
        "obs_mode": (obs_mode,),
        "cameras": (list(config.cameras),) if sees else (),
        "image_size": (size, *([size[0]] if size[0] == size[1] else [])) if size else (),
        "instruction_for": (config.messages.instruction_for,) if hasattr(config, "messages") else (),
    }
    for name, value in info.env_kwargs.items():
        if name in expected:
            if not any(type(value) is type(allowed) and value == allowed for allowed in expected[name]):
                allowed = " or ".join(map(shown, expected[name])) or "none"
                raise ValueError(f"env_kwargs.{name} is {shown(value)}, the network has {allowed}")
        elif name == "robot":
            names = [value] if isinstance(value, str) else value
            if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
                raise ValueError(f"env_kwargs.robot is {shown(value)}, expected names")
        elif name not in ("action_mode", "looks"):
            raise ValueError(f"env_kwargs has the unknown argument {plain(name)}")
        elif not isinstance(value, str):
            raise ValueError(f"env_kwargs.{name} is {shown(value)}, expected a name")
    files = info.data.get("files", [])
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise ValueError(f"data.files is {shown(files)}, expected a list of objects")
