"""Untrained networks, tokenizers and checkpoint metadata for a set of demonstrations."""

from collections.abc import Iterable
from dataclasses import asdict

import torch
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown
from teamvla_envs.provenance import git_description, installed_versions

from teamvla_learn.data.metadata import DemoSource
from teamvla_learn.data.samples import MultiTaskDataset
from teamvla_learn.encoders.factory import Tokenizer, fit_tokenizer
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.checkpoint_info import CheckpointInfo, network_env_kwargs
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.registry import combined_options, get_architecture
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.config import TrainConfig

PACKAGES = ("teamvla-learn", "teamvla-envs", "torch", "safetensors", "numpy", "python")  # versions in a checkpoint
KEPT_ENV_KWARGS = ("num_arms", "robot", "action_mode", "looks")  # the rest may differ between training and evaluation


def build_policy(name: str, data: TrainingData, seed: int, options: PolicyOptions | None = None) -> LearnedPolicy:
    """Make an untrained network for demonstrations.

    Args:
        name: Name of the architecture.
        data: Training demonstrations, from which the normalization is computed.
        seed: Seed of the initial weights.
        options: Options of the network; None for the defaults.

    Raises:
        UserError: When there is no such architecture, or it cannot be trained on these demonstrations.
    """
    architecture = get_architecture(name)
    torch.manual_seed(seed)
    return architecture.from_data(data, options or combined_options()())


def build_tokenizer(datasets: Iterable[MultiTaskDataset], language: LanguageConfig | None = None) -> Tokenizer:
    """Make the tokenizer of all sentences that are true of some demonstrations, for an instruction encoder."""
    sentences = (sentence for data in datasets for true in data.sentences for sentence in true)
    return fit_tokenizer(language or LanguageConfig(), sentences)


def check_sentences(datasets: Iterable[MultiTaskDataset], tokenizer: Tokenizer, max_tokens: int) -> None:
    """Check that no sentence of the demonstrations is longer than the instruction encoder reads.

    Raises:
        UserError: Naming the first one that is.
    """
    distinct = {sentence for data in datasets for true in data.sentences for sentence in true}
    for sentence in sorted(distinct):
        if (length := tokenizer.length(sentence)) > max_tokens:
            raise UserError(
                f"the instruction {shown(sentence)} has {length} tokens, but the instruction encoder reads "
                f"{max_tokens}: set --model.language.max-tokens"
            )


def describe(
    policy: LearnedPolicy, tokenizer: Tokenizer | None, source: DemoSource, config: TrainConfig
) -> CheckpointInfo:
    """Return the metadata that a checkpoint stores with the network."""
    env_kwargs = {name: source.env_kwargs[name] for name in KEPT_ENV_KWARGS if name in source.env_kwargs}
    return CheckpointInfo(
        tasks=source.tasks,
        env_kwargs=env_kwargs | network_env_kwargs(policy.config, policy.obs_mode),
        vocabulary=tokenizer.vocabulary if tokenizer else (),
        data=source.to_json(),
        training=asdict(config),
        versions=installed_versions(PACKAGES) | ({"git": git} if (git := git_description()) else {}),
    )
