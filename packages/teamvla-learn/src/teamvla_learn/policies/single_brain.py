"""SingleBrainVLA: one network that sees every camera, every arm and the sentence, and moves all arms."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.encoders.language import LanguageConfig, LanguageEncoder
from teamvla_learn.encoders.proprioception import ProprioceptionEncoder
from teamvla_learn.encoders.vision import FilmCNN, VisionConfig
from teamvla_learn.policies.action_head import ActionHead, ActionSpace
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.losses import LossTerm
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.trunk import make_trunk


@dataclass(frozen=True)
class AuxiliaryTarget:
    """A part of ``environment_state`` that the network also learns to tell, in training only.

    Attributes:
        name: Name of the part.
        start: Its first entry.
        stop: One after its last entry.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class SingleBrainConfig:
    """Sizes and loss weights of a :class:`SingleBrainVLA`.

    Attributes:
        space: Shape of the actions.
        cameras: Names of the cameras; those that differ only by a trailing number (``wrist_0``, ``wrist_1``)
            share one network.
        image_size: (H, W) of every picture [px].
        vocabulary_size: Words that the sentence encoder knows.
        vision: Sizes of each picture encoder.
        language: Sizes of the sentence encoder.
        proprioception_size: Length of the proprioception's vector.
        hidden_sizes: Widths of the layers that fuse everything.
        auxiliary: What else is learned, in training only.
        gripper_weight: Weight of the grippers' loss.
        auxiliary_weight: Weight of each auxiliary loss.
        ignored: Entries of ``agent_pos`` that the policy does not look at.
    """

    space: ActionSpace
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    vocabulary_size: int
    vision: VisionConfig = field(default_factory=VisionConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    proprioception_size: int = 64
    hidden_sizes: tuple[int, ...] = (256, 256, 256)
    auxiliary: tuple[AuxiliaryTarget, ...] = ()
    gripper_weight: float = 1.0
    auxiliary_weight: float = 0.3
    ignored: tuple[int, ...] = ()


class SingleBrainVLA(LearnedPolicy):
    """Points found in the pictures under the sentence, the sentence and proprioception -> actions of all arms."""

    obs_mode: ClassVar[str] = "vision"
    config: SingleBrainConfig

    def __init__(self, config: SingleBrainConfig, normalization: Normalization):
        super().__init__(config, normalization)
        if normalization.agent_pos is None:
            raise ValueError("a vision-language-action policy needs statistics of agent_pos")
        if config.auxiliary and normalization.environment_state is None:
            raise ValueError("auxiliary targets need statistics of environment_state")
        self.language = LanguageEncoder(config.language, config.vocabulary_size)
        self.views = nn.ModuleDict(
            {kind: FilmCNN(config.vision, config.image_size, config.language.size) for kind in self._kinds()}
        )
        self.normalize = Normalize(normalization.agent_pos, config.ignored)
        self.proprioception = ProprioceptionEncoder(self.normalize.size, config.proprioception_size)
        points = len(config.cameras) * 2 * config.vision.channels[-1]
        self.trunk = make_trunk(points + config.language.size + config.proprioception_size, config.hidden_sizes)
        self.head = ActionHead(config.hidden_sizes[-1], config.space, normalization.actions)
        if normalization.environment_state is not None:
            self.normalize_state = Normalize(normalization.environment_state)
        self.auxiliary = nn.ModuleDict(
            {target.name: nn.Linear(config.hidden_sizes[-1], target.stop - target.start) for target in config.auxiliary}
        )

    def forward(self, seen: PolicyInput) -> Tensor:
        """Return fused features (B, F), from which the heads predict."""
        assert seen.tokens is not None
        assert seen.sentence is not None
        assert seen.agent_pos is not None
        sentence = self.language(seen.tokens)[seen.sentence]
        points = self._look(seen, sentence)
        proprioception = self.proprioception(self.normalize(seen.agent_pos))
        return self.trunk(torch.cat([*points, sentence, proprioception], dim=-1))

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints``, ``gripper`` and one per auxiliary target."""
        features = self(batch.input)
        config = self.config
        terms = self.head.losses(self.head(features), batch.actions, batch.valid, config.gripper_weight)
        if config.auxiliary:
            assert batch.input.environment_state is not None
            state = self.normalize_state(batch.input.environment_state)
            for target in config.auxiliary:
                told = self.auxiliary[target.name](features)
                value = functional.smooth_l1_loss(told, state[:, target.start : target.stop])
                terms[target.name] = LossTerm(value, config.auxiliary_weight)
        return terms

    def actions(self, seen: PolicyInput) -> Tensor:
        """Return the actions to execute, (B, A*D) float32 in [-1, 1]."""
        return self.head.decode(self.head(self(seen)))[:, 0]

    def _kinds(self) -> dict[str, list[str]]:
        kinds: dict[str, list[str]] = {}
        for camera in self.config.cameras:
            kinds.setdefault(re.sub(r"_\d+$", "", camera), []).append(camera)
        return kinds

    def _look(self, seen: PolicyInput, sentence: Tensor) -> list[Tensor]:
        """Return the points (B, 2 C) of every camera; pictures of one kind go through its network together."""
        points: list[Tensor] = []
        for kind, cameras in self._kinds().items():
            pictures = torch.cat([seen.pixels[camera] for camera in cameras])
            located = self.views[kind](pictures, sentence.repeat(len(cameras), 1))
            points += located.chunk(len(cameras))
        return points
