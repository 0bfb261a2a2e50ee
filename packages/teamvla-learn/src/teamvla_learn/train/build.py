"""The network that fits a set of demonstrations, and what its checkpoint says about them."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

import torch
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.metadata import DemoSource
from teamvla_learn.data.normalization import Normalization, Statistics
from teamvla_learn.data.part_flags import parts_with
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer, fit_tokenizer
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.policies.action_head import ActionSpace
from teamvla_learn.policies.auxiliary import AuxiliaryTarget
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint_info import CheckpointInfo
from teamvla_learn.policies.losses import LossWeights
from teamvla_learn.policies.msg_passing import MsgPassingConfig, MsgPassingVLA
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.single_brain import SingleBrainConfig, SingleBrainVLA
from teamvla_learn.policies.state import StatePolicy, StatePolicyConfig
from teamvla_learn.train.config import TrainConfig
from teamvla_learn.train.versions import versions

PolicyKind = Literal["vla", "msg", "state"]
KEPT_ENV_KWARGS = ("num_arms", "robot", "action_mode", "looks")  # the rest may differ between training and evaluation


def build_policy(
    kind: PolicyKind,
    train: MultiTaskDataset,
    source: DemoSource,
    tokenizer: Tokenizer | None,
    auxiliary: tuple[str, ...] | None,
    chunk_length: int,
    seed: int,
    options: PolicyOptions | None = None,
) -> LearnedPolicy:
    """Make an untrained network for these demonstrations.

    Args:
        kind: ``vla``, ``msg`` or ``state``.
        train: Training samples, from which the normalization is taken.
        source: What the file says of itself.
        tokenizer: Tokenizer of a vla policy.
        auxiliary: Parts of ``environment_state`` that a vla policy also learns to tell; None takes those of
            the usual ones that the file has.
        chunk_length: Actions predicted at once.
        seed: Seed of the initial weights.
        options: What else can be chosen about the network.
    """
    options = options or PolicyOptions()
    space = _action_space(train, source, chunk_length)
    has_state = train.environment_state.shape[1] > 0
    targets = () if kind == "state" else _auxiliary_targets(source, auxiliary)
    normalization = Normalization(
        actions=Statistics.of(train.expert_actions),
        agent_pos=None if kind == "state" else Statistics.of(train.agent_pos),
        environment_state=Statistics.of(train.environment_state) if kind == "state" and has_state else None,
        auxiliary={target.name: _part_statistics(train, target.name) for target in targets},
    )
    torch.manual_seed(seed)
    if kind == "state":
        if not has_state:
            raise UserError(
                f"{source.path} holds no environment_state, which a state policy learns from"
                if len(source.tasks) == 1
                else f"the privileged states of {', '.join(source.tasks)} differ: a state policy learns one task"
            )
        ignored = _ignored(source.environment_state, source.tasks)
        return StatePolicy(
            StatePolicyConfig(
                space, ignored=ignored, head=options.head, parts=source.environment_state, **asdict(options.losses)
            ),
            normalization,
        )
    assert tokenizer is not None
    ignored = _ignored(source.agent_pos, source.tasks)
    height, width = next(iter(train.pixels.values())).shape[1:3]
    robots = _robots(source, space, options.losses)
    if kind == "msg":
        return MsgPassingVLA(
            MsgPassingConfig(
                space=space,
                cameras=tuple(train.pixels),
                image_size=(height, width),
                vocabulary_size=len(tokenizer.vocabulary),
                proprioception=source.agent_pos,
                messages=options.messages,
                vision=options.vision,
                language=options.language,
                auxiliary=targets,
                ignored=ignored,
                head=options.head,
                robots=robots,
                **asdict(options.losses),
            ),
            normalization,
        )
    config = SingleBrainConfig(
        space=space,
        cameras=tuple(train.pixels),
        image_size=(height, width),
        vocabulary_size=len(tokenizer.vocabulary),
        auxiliary=targets,
        ignored=tuple(arm * source.agent_pos.size + i for arm in range(space.num_arms) for i in ignored),
        fusion=options.fusion,
        vision=options.vision,
        language=options.language,
        head=options.head,
        robots=robots,
        proprioception=source.agent_pos if robots else PartLayout(()),
        **asdict(options.losses),
    )
    return SingleBrainVLA(config, normalization)


def build_tokenizer(datasets: Iterable[MultiTaskDataset], language: LanguageConfig | None = None) -> Tokenizer:
    """Make the tokenizer of all sentences that are true of some demonstrations, for a sentence encoder."""
    sentences = (sentence for data in datasets for true in data.sentences for sentence in true)
    return fit_tokenizer(language or LanguageConfig(), sentences)


def check_sentences(datasets: Iterable[MultiTaskDataset], tokenizer: Tokenizer, max_tokens: int) -> None:
    """Refuse demonstrations with a sentence that is longer than the sentence encoder reads.

    Raises:
        UserError: Naming the first such sentence.
    """
    different = {sentence for data in datasets for true in data.sentences for sentence in true}
    for sentence in sorted(different):
        if (length := tokenizer.length(sentence)) > max_tokens:
            raise UserError(
                f"the instruction {shown(sentence)} has {length} tokens, but the sentence encoder reads {max_tokens}: "
                "set --model.language.max-tokens"
            )


def describe(
    policy: LearnedPolicy, tokenizer: Tokenizer | None, source: DemoSource, config: TrainConfig
) -> CheckpointInfo:
    """Return what the checkpoint keeps beside the network."""
    env_kwargs: dict[str, Any] = {
        name: source.env_kwargs[name] for name in KEPT_ENV_KWARGS if name in source.env_kwargs
    }
    env_kwargs["obs_mode"] = policy.obs_mode
    if isinstance(policy, MsgPassingVLA):
        env_kwargs["instruction_for"] = policy.config.messages.instruction_for
    if isinstance(policy, SingleBrainVLA | MsgPassingVLA):
        height, width = policy.config.image_size
        env_kwargs["cameras"] = list(policy.config.cameras)
        env_kwargs["image_size"] = height if height == width else [height, width]
    return CheckpointInfo(
        tasks=source.tasks,
        env_kwargs=env_kwargs,
        vocabulary=tokenizer.vocabulary if tokenizer else (),
        data=source.to_json(),
        training=asdict(config),
        versions=versions(),
    )


def _action_space(train: MultiTaskDataset, source: DemoSource, chunk_length: int) -> ActionSpace:
    arms, rest = divmod(train.expert_actions.shape[1], max(source.action.size, 1))
    if rest or not arms:
        raise UserError(
            f"{source.path} has {train.expert_actions.shape[1]} action entries, "
            f"expected a multiple of the {source.action.size} of one arm"
        )
    return ActionSpace(arms, source.action.size, source.action.entries_with("gripper"), chunk_length)


def _robots(source: DemoSource, space: ActionSpace, losses: LossWeights) -> tuple[str, ...]:
    """Return the robots of the team if a loss asks where they move; refuse it where that cannot be computed."""
    if not (losses.coordination_weight or losses.collision_weight):
        return ()
    robot = source.env_kwargs.get("robot", ())
    robots = (robot,) * space.num_arms if isinstance(robot, str) else tuple(robot)
    for name in ("coordination_weight", "collision_weight"):
        if getattr(losses, name) and source.env_kwargs.get("action_mode") != "joint_delta":
            raise UserError(
                f"{name} is {getattr(losses, name)}, which needs action_mode joint_delta; "
                f"{source.path} has {source.env_kwargs.get('action_mode')}"
            )
    return robots


def _ignored(layout: PartLayout, tasks: tuple[str, ...]) -> tuple[int, ...]:
    spans = ((name.rpartition("/")[2], start, stop) for name, start, stop in layout.spans())
    # A policy that observes its own motion learns to continue it.
    ignored = (*parts_with("velocity", tasks), *parts_with("command", tasks))
    return tuple(i for name, start, stop in spans if name in ignored for i in range(start, stop))


def _auxiliary_targets(source: DemoSource, names: tuple[str, ...] | None) -> tuple[AuxiliaryTarget, ...]:
    known = source.targets
    if names is None:
        names = tuple(name for name in parts_with("auxiliary", source.tasks) if name in known)
    if missing := [name for name in names if name not in known]:
        raise UserError(
            f"auxiliary has {missing[0]!r}, which {source.path} does not hold; allowed are {', '.join(known) or 'none'}"
        )
    return tuple(AuxiliaryTarget(name, known[name]) for name in names)


def _part_statistics(train: MultiTaskDataset, name: str) -> Statistics:
    values, known = train.part(name)
    return Statistics.of(values[known])
