"""Training that starts from a trained network: its weights, vocabulary and normalization are kept."""

import logging
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_learn.config_io import apply_layer, leaves, to_plain
from teamvla_learn.data.metadata import DemoSource
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.losses import LossWeights
from teamvla_learn.policies.registry import combined_options
from teamvla_learn.train.settings import Settings, named_layers

NETWORK = ("model", "chunk_length", "auxiliary")  # settings that determine the network

_log = logging.getLogger(__name__)


def check_architecture_kept(policy: LearnedPolicy, wanted: str, folder: Path) -> None:
    """Check that a trained network has the architecture that was asked for.

    Raises:
        UserError: Naming both.
    """
    if policy.name != wanted:
        raise UserError(f"policy is {wanted}, init_from {folder} holds a {type(policy).__name__}")


def check_kept(
    policy: LearnedPolicy,
    folder: Path,
    settings: Settings,
    below: Settings,
    preset: str | None,
    configs: Sequence[Path],
) -> None:
    """Check that no option asks for a network other than the trained one.

    Logs a warning for every preset or file that does; see :func:`warn_of_network`.

    Args:
        policy: The trained network.
        folder: Its checkpoint folder.
        settings: The settings.
        below: The settings without the command line.
        preset: Name of a shipped preset.
        configs: YAML files, or names of shipped ones.

    Raises:
        UserError: Naming the first option that does, and its value in the trained network.
    """
    check_architecture_kept(policy, settings.policy, folder)
    trained = _settings_of(policy)
    own, defaults = _network(trained), _network(below)
    for name, value in _network(settings).items():
        if value not in (defaults[name], own[name]):
            raise UserError(f"{name} is {value}, but init_from has a network with {own[name]}, which it keeps")
    warn_of_network(policy, preset, configs)


def warn_of_network(policy: LearnedPolicy, preset: str | None, configs: Sequence[Path]) -> None:
    """Log a warning for every preset or file that asks for a network other than the trained one, which is kept."""
    settings = _settings_of(policy)
    own = _network(settings)
    for name, layer in named_layers(preset, configs):
        wanted = apply_layer(settings, {key: layer[key] for key in NETWORK if key in layer}, f"config {name}")
        changed = [entry for entry, value in _network(wanted).items() if value != own[entry]]
        if changed:
            _log.warning("%s of config %s has no effect: init_from keeps its network", changed[0], name)


def _settings_of(policy: LearnedPolicy) -> Settings:
    """Return the settings that make such a network."""
    config = policy.config
    names = [entry.name for entry in fields(policy.options_class) if hasattr(config, entry.name)]
    chosen: dict[str, Any] = {name: getattr(config, name) for name in names}
    if isinstance(config, LossWeights):
        chosen["losses"] = LossWeights(**{each.name: getattr(config, each.name) for each in fields(LossWeights)})
    targets = tuple(policy.normalization.auxiliary)
    return Settings(
        policy=policy.name,
        chunk_length=config.space.chunk_length,
        auxiliary=targets or None,
        model=combined_options()(**chosen),
    )


def _network(settings: Settings) -> dict[str, Any]:
    """Return the settings of the network by their dotted names."""
    return leaves({name: value for name, value in to_plain(settings).items() if name in NETWORK})


def load_initial_policy(
    folder: Path, wanted: str, train: MultiTaskDataset, source: DemoSource
) -> tuple[LearnedPolicy, Tokenizer | None]:
    """Return the network of a checkpoint, ready to be trained on these demonstrations, and its tokenizer.

    Raises:
        UserError: When the network does not fit the demonstrations; the message names the difference.
    """
    checkpoint = load_checkpoint(folder)
    policy, config = checkpoint.policy, checkpoint.policy.config
    check_architecture_kept(policy, wanted, folder)
    actions = len(policy.normalization.actions.mean)
    needs: dict[str, tuple[Any, Any]] = {"action entries": (actions, train.expert_actions.shape[1])}
    for name in ("agent_pos", "environment_state"):
        statistics = getattr(policy.normalization, name)
        if statistics is not None:
            needs[f"entries of {name}"] = (len(statistics.mean), getattr(train, name).shape[1])
    if hasattr(config, "parts"):
        needs["parts of environment_state"] = (config.parts.parts, source.environment_state.parts)
    if hasattr(config, "cameras"):
        needs["cameras"] = (tuple(config.cameras), tuple(train.pixels))
        needs["image size"] = (tuple(config.image_size), next(iter(train.pixels.values())).shape[1:3])
    for name, (expected, given) in needs.items():
        if expected != given:
            raise UserError(f"init_from {folder} has {name} {expected}, {source.path} has {given}")
    for name, statistics in policy.normalization.auxiliary.items():
        if train.parts.get(name) != len(statistics.mean):
            raise UserError(f"init_from {folder} also learns to predict {name}, which {source.path} does not hold")
    return policy.requires_grad_(True), checkpoint.tokenizer
