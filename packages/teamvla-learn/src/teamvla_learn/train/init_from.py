"""Going on from a trained network with other demonstrations: its weights, words and normalization stay."""

import logging
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_learn.data.metadata import DemoSource
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.losses import LossWeights
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.state import StatePolicy
from teamvla_learn.train.begun import KIND_CLASSES
from teamvla_learn.train.config_layers import apply_layer, leaves, to_plain
from teamvla_learn.train.settings import Settings, named_layers

NETWORK = ("model", "chunk_length", "auxiliary")  # settings that make a network

_log = logging.getLogger(__name__)


def check_kind(policy: LearnedPolicy, kind: str, folder: Path) -> None:
    """Refuse a network of another kind than was asked for.

    Raises:
        UserError: Naming both.
    """
    if type(policy).__name__ != KIND_CLASSES[kind]:
        raise UserError(f"policy is {kind}, init_from {folder} holds a {type(policy).__name__}")


def check_network_kept(settings: Settings, below: Settings, policy: LearnedPolicy) -> None:
    """Refuse options that ask for another network than the trained one.

    Args:
        settings: What was asked for.
        below: What would be used if no option were named.
        policy: The trained network.

    Raises:
        UserError: Naming the first option that does, and what the network has.
    """
    own, unasked = _network(_settings_of(policy)), _network(below)
    for name, value in _network(settings).items():
        if value not in (unasked[name], own[name]):
            raise UserError(f"{name} is {value}, but init_from has a network with {own[name]}, which it keeps")


def warn_of_network(policy: LearnedPolicy, preset: str | None, configs: Sequence[Path]) -> None:
    """Say what presets and files ask of a network that is trained already and stays as it is.

    Args:
        policy: The trained network.
        preset: Name of a shipped preset.
        configs: YAML files, or names of shipped ones.
    """
    settings = _settings_of(policy)
    own = _network(settings)
    for name, layer in named_layers(preset, configs):
        wanted = apply_layer(settings, {key: layer[key] for key in NETWORK if key in layer}, f"config {name}")
        changed = [place for place, value in _network(wanted).items() if value != own[place]]
        if changed:
            _log.warning("%s of config %s does not count: init_from has its network", changed[0], name)


def _settings_of(policy: LearnedPolicy) -> Settings:
    """Return the settings that make such a network."""
    config = policy.config
    names = ("vision", "language", "fusion", "head", "messages")
    chosen = {name: getattr(config, name) for name in names if hasattr(config, name)}
    losses = LossWeights(**{field.name: getattr(config, field.name) for field in fields(LossWeights)})
    targets = tuple(policy.normalization.auxiliary)
    return Settings(
        chunk_length=config.space.chunk_length,
        auxiliary=targets or None,
        model=PolicyOptions(losses=losses, **chosen),
    )


def _network(settings: Settings) -> dict[str, Any]:
    """Return the settings of the network by their dotted names."""
    return leaves({name: value for name, value in to_plain(settings).items() if name in NETWORK})


def continued(
    folder: Path, kind: str, train: MultiTaskDataset, source: DemoSource
) -> tuple[LearnedPolicy, Tokenizer | None]:
    """Return the network of a checkpoint, ready to be trained on these demonstrations, and its tokenizer.

    Args:
        folder: Checkpoint folder.
        kind: Kind of network that was asked for.
        train: Training samples.
        source: What the files say of themselves.

    Raises:
        UserError: When the network does not fit the demonstrations; the message says what does not.
    """
    checkpoint = load_checkpoint(folder)
    policy, config = checkpoint.policy, checkpoint.policy.config
    check_kind(policy, kind, folder)
    actions = len(policy.normalization.actions.mean)
    needs: dict[str, tuple[Any, Any]] = {"action entries": (actions, train.expert_actions.shape[1])}
    for name in ("agent_pos", "environment_state"):
        statistics = getattr(policy.normalization, name)
        if statistics is not None:
            needs[f"entries of {name}"] = (len(statistics.mean), getattr(train, name).shape[1])
    if isinstance(policy, StatePolicy):
        needs["parts of environment_state"] = (policy.config.parts.parts, source.environment_state.parts)
    else:
        needs["cameras"] = (tuple(config.cameras), tuple(train.pixels))
        needs["image size"] = (tuple(config.image_size), next(iter(train.pixels.values())).shape[1:3])
    for name, (wanted, given) in needs.items():
        if wanted != given:
            raise UserError(f"init_from {folder} has {name} {wanted}, {source.path} has {given}")
    for name, statistics in policy.normalization.auxiliary.items():
        if train.parts.get(name) != len(statistics.mean):
            raise UserError(f"init_from {folder} also learns to tell {name}, which {source.path} does not hold")
    return policy.requires_grad_(True), checkpoint.tokenizer
