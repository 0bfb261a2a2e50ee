"""The network that fits a set of demonstrations, and what its checkpoint says about them."""

import importlib.metadata
import platform
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

import torch
from teamvla_envs.errors import UserError

from teamvla_learn.data.dataset import DemoDataset, DemoSource
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization, Statistics
from teamvla_learn.encoders.tokenizer import WordTokenizer
from teamvla_learn.policies.action_head import ActionSpace
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint import CheckpointInfo
from teamvla_learn.policies.single_brain import AuxiliaryTarget, SingleBrainConfig, SingleBrainVLA
from teamvla_learn.policies.state import StatePolicy, StatePolicyConfig
from teamvla_learn.train.config import TrainConfig

PolicyKind = Literal["vla", "state"]
DEFAULT_AUXILIARY = ("tool_to_grasp", "object_pos", "object_rot6d", "goal_pos")
# What moves just as the expert moves it: a policy that sees it learns to go on with what it did before.
IGNORED_PARTS = ("joint_vel", "gripper_target", "object_vel", "drawer_vel")
KEPT_ENV_KWARGS = ("num_arms", "robot", "action_mode", "looks")  # the rest may differ between training and evaluation


def build_policy(
    kind: PolicyKind,
    train: DemoDataset,
    source: DemoSource,
    tokenizer: WordTokenizer | None,
    auxiliary: tuple[str, ...] | None,
    chunk_length: int,
    seed: int,
) -> LearnedPolicy:
    """Make an untrained network for these demonstrations.

    Args:
        kind: ``vla`` or ``state``.
        train: Training samples, from which the normalization is taken.
        source: What the file says of itself.
        tokenizer: Tokenizer of a vla policy.
        auxiliary: Parts of ``environment_state`` that a vla policy also learns to tell; None takes those of
            the usual ones that the file has.
        chunk_length: Actions predicted at once.
        seed: Seed of the initial weights.
    """
    space = _action_space(train, source, chunk_length)
    has_state = train.environment_state.shape[1] > 0
    normalization = Normalization(
        actions=Statistics.of(train.expert_actions),
        agent_pos=Statistics.of(train.agent_pos) if kind == "vla" else None,
        environment_state=Statistics.of(train.environment_state) if has_state else None,
    )
    torch.manual_seed(seed)
    if kind == "state":
        if not has_state:
            raise UserError(f"{source.path} holds no environment_state, which a state policy learns from")
        return StatePolicy(StatePolicyConfig(space, ignored=_ignored(source.environment_state)), normalization)
    assert tokenizer is not None
    ignored = _ignored(source.agent_pos)
    height, width = next(iter(train.pixels.values())).shape[1:3]
    config = SingleBrainConfig(
        space=space,
        cameras=tuple(train.pixels),
        image_size=(height, width),
        vocabulary_size=len(tokenizer.vocabulary),
        auxiliary=_auxiliary_targets(source, auxiliary, has_state),
        ignored=tuple(arm * source.agent_pos.size + i for arm in range(space.num_arms) for i in ignored),
    )
    return SingleBrainVLA(config, normalization)


def build_tokenizer(datasets: Iterable[DemoDataset]) -> WordTokenizer:
    """Make the tokenizer of all sentences that are true of some demonstrations."""
    sentences = (sentence for data in datasets for true in data.sentences for sentence in true)
    return WordTokenizer.from_sentences(sentences)


def describe(
    policy: LearnedPolicy, tokenizer: WordTokenizer | None, source: DemoSource, config: TrainConfig
) -> CheckpointInfo:
    """Return what the checkpoint keeps beside the network."""
    env_kwargs: dict[str, Any] = {
        name: source.env_kwargs[name] for name in KEPT_ENV_KWARGS if name in source.env_kwargs
    }
    env_kwargs["obs_mode"] = policy.obs_mode
    if isinstance(policy, SingleBrainVLA):
        height, width = policy.config.image_size
        env_kwargs["cameras"] = list(policy.config.cameras)
        env_kwargs["image_size"] = height if height == width else [height, width]
    return CheckpointInfo(
        task=str(source.env_kwargs.get("task", "")),
        env_kwargs=env_kwargs,
        vocabulary=tokenizer.vocabulary if tokenizer else (),
        data={"file": source.path.name, "content_hash": source.content_hash, "demos": source.demos},
        training=asdict(config),
        versions=_versions(),
    )


def _action_space(train: DemoDataset, source: DemoSource, chunk_length: int) -> ActionSpace:
    arms, rest = divmod(train.expert_actions.shape[1], max(source.action.size, 1))
    if rest or not arms:
        raise UserError(
            f"{source.path} has {train.expert_actions.shape[1]} action entries, "
            f"expected a multiple of the {source.action.size} of one arm"
        )
    return ActionSpace(arms, source.action.size, source.action.entries_with("gripper"), chunk_length)


def _ignored(layout: PartLayout) -> tuple[int, ...]:
    spans = ((name.rpartition("/")[2], start, stop) for name, start, stop in layout.spans())
    return tuple(i for name, start, stop in spans if name in IGNORED_PARTS for i in range(start, stop))


def _auxiliary_targets(
    source: DemoSource, names: tuple[str, ...] | None, has_state: bool
) -> tuple[AuxiliaryTarget, ...]:
    known = source.environment_state.names if has_state else ()
    if names is None:
        names = tuple(name for name in DEFAULT_AUXILIARY if name in known)
    if missing := [name for name in names if name not in known]:
        raise UserError(
            f"auxiliary has {missing[0]!r}, which {source.path} does not hold; allowed are {', '.join(known) or 'none'}"
        )
    return tuple(AuxiliaryTarget(name, *source.environment_state.span(name)) for name in names)


def _versions() -> dict[str, str]:
    packages = ("teamvla-learn", "teamvla-envs", "torch", "safetensors", "numpy")
    return {name: importlib.metadata.version(name) for name in packages} | {"python": platform.python_version()}
