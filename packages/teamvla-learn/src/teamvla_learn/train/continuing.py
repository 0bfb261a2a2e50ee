"""Going on from a trained network with other demonstrations: its weights, words and normalization stay."""

from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.data.source import DemoSource
from teamvla_learn.encoders.by_name import Tokenizer
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import load_checkpoint

KIND_CLASSES = {"vla": "SingleBrainVLA", "msg": "MsgPassingVLA", "state": "StatePolicy"}


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
    if type(policy).__name__ != KIND_CLASSES[kind]:
        raise UserError(f"policy is {kind}, init_from {folder} holds a {type(policy).__name__}")
    actions = len(policy.normalization.actions.mean)
    needs: dict[str, tuple[Any, Any]] = {"action entries": (actions, train.expert_actions.shape[1])}
    for name in ("agent_pos", "environment_state"):
        statistics = getattr(policy.normalization, name)
        if statistics is not None:
            needs[f"entries of {name}"] = (len(statistics.mean), getattr(train, name).shape[1])
    if kind != "state":
        needs["cameras"] = (tuple(config.cameras), tuple(train.pixels))
        needs["image size"] = (tuple(config.image_size), next(iter(train.pixels.values())).shape[1:3])
    for name, (wanted, given) in needs.items():
        if wanted != given:
            raise UserError(f"init_from {folder} has {name} {wanted}, {source.path} has {given}")
    for name, statistics in policy.normalization.auxiliary.items():
        if train.parts.get(name) != len(statistics.mean):
            raise UserError(f"init_from {folder} also learns to tell {name}, which {source.path} does not hold")
    return policy.requires_grad_(True), checkpoint.tokenizer
