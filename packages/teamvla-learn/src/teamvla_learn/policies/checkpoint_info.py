"""Metadata of a checkpoint, and its consistency with the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from teamvla_envs.outside import plain, shown


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata stored with the weights and the configuration of the network.

    Attributes:
        tasks: Names of the demonstrated tasks.
        env_kwargs: Arguments of the environment that the policy acts in.
        vocabulary: Words of the tokenizer; empty for a policy that reads no instruction.
        data: Origin of the demonstrations: file names, content hash and number.
        training: Training settings.
        versions: Versions of Python, of the packages and of the git tree that wrote the checkpoint.
    """

    tasks: tuple[str, ...]
    env_kwargs: Mapping[str, Any]
    vocabulary: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def network_env_kwargs(config: Any, obs_mode: str) -> dict[str, Any]:
    """Return the arguments of the environment that the configuration of a network determines: its observations."""
    kwargs: dict[str, Any] = {"obs_mode": obs_mode}
    if hasattr(config, "messages"):
        kwargs["instruction_for"] = config.messages.instruction_for
    if hasattr(config, "cameras"):
        height, width = config.image_size
        kwargs["cameras"] = list(config.cameras)
        kwargs["image_size"] = height if height == width else [height, width]
    return kwargs


def check_info(info: CheckpointInfo, config: Any, obs_mode: str) -> None:
    """Check that the stored arguments of the environment fit the network's configuration, and that there are no others.

    Raises:
        ValueError: Naming the entry, its value and the allowed ones.
    """
    own = network_env_kwargs(config, obs_mode) | {"num_arms": config.space.num_arms}
    expected = {name: [own[name]] if name in own else [] for name in ("cameras", "image_size", "instruction_for")}
    expected |= {name: [own[name]] for name in ("num_arms", "obs_mode")}
    if isinstance(own.get("image_size"), int):
        expected["image_size"].append([own["image_size"]] * 2)
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
