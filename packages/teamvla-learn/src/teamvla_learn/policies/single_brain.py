"""SingleBrainVLA: one network that sees every camera, every arm and the sentence, and moves all arms."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.encoders.factory import make_language, make_vision
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.proprioception import ProprioceptionEncoder
from teamvla_learn.encoders.spatial_softmax import POINT_SIZE, Located
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.auxiliary import AuxiliaryTarget, auxiliary_costs
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.draws import batch_generator
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.fusion import AttentionFusion, Fusion
from teamvla_learn.policies.losses import LossTerm, LossWeights
from teamvla_learn.policies.mlp import make_trunk
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.pointing import pointing_cost
from teamvla_learn.policies.team_losses import team_costs


@dataclass(frozen=True)
class SingleBrainConfig(LossWeights):
    """Sizes and loss weights of a :class:`SingleBrainVLA`.

    Attributes:
        space: Shape of the actions.
        cameras: Names of the cameras; those that differ only by a trailing number (``wrist_0``, ``wrist_1``)
            share one network.
        image_size: (H, W) of every picture [px].
        vocabulary_size: Words that the tokenizer keeps.
        vision: The picture encoders.
        language: The sentence encoder.
        proprioception_size: Length of the proprioception's vector.
        hidden_sizes: Widths of the layers that fuse everything.
        auxiliary: What else is learned, in training only.
        ignored: Entries of ``agent_pos`` that the policy does not look at.
        fusion: ``concat`` puts all points, the sentence and proprioception side by side before the layers that fuse
            them; ``attention`` puts the answers of every arm's cross-attention to all of them beside those.
        head: How actions are predicted and executed.
        robots: Robot names, one per arm; needed by the costs of coordination and collision.
        proprioception: Parts of one arm's proprioception; needed by the same.
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
    ignored: tuple[int, ...] = ()
    fusion: Fusion = "concat"
    head: HeadConfig = field(default_factory=HeadConfig)
    robots: tuple[str, ...] = ()
    proprioception: PartLayout = field(default_factory=lambda: PartLayout(()))


class SingleBrainVLA(LearnedPolicy):
    """Points found in the pictures under the sentence, the sentence and proprioception -> actions of all arms."""

    obs_mode: ClassVar[str] = "vision"
    config: SingleBrainConfig

    def __init__(self, config: SingleBrainConfig, normalization: Normalization):
        super().__init__(config, normalization)
        if normalization.agent_pos is None:
            raise ValueError("a vision-language-action policy needs statistics of agent_pos")
        if missing := [target.name for target in config.auxiliary if target.name not in normalization.auxiliary]:
            raise ValueError(f"auxiliary target {missing[0]} needs statistics")
        self.language = make_language(config.language, config.vocabulary_size)
        views = {kind: make_vision(config.vision, config.image_size, config.language.size) for kind in self._kinds()}
        self.views = nn.ModuleDict(views)
        self.normalize = Normalize(normalization.agent_pos, config.ignored)
        self.proprioception = ProprioceptionEncoder(self.normalize.size, config.proprioception_size)
        sizes = [views[kind].output_size for kind, cameras in self._kinds().items() for _ in cameras]
        fused = sum(sizes) + config.language.size + config.proprioception_size
        if config.fusion == "attention":
            self.attention = AttentionFusion(
                config.space.num_arms,
                len(sizes),
                sizes[0] // POINT_SIZE,
                config.language.size,
                config.proprioception_size,
            )
            fused += self.attention.output_size
        self.trunk = make_trunk(fused, config.hidden_sizes)
        self.head = make_head(config.hidden_sizes[-1], config.space, normalization.actions, config.head)
        self.auxiliary = nn.ModuleDict(
            {target.name: nn.Linear(config.hidden_sizes[-1], target.size) for target in config.auxiliary}
        )
        self.normalize_auxiliary = nn.ModuleDict(
            {target.name: Normalize(normalization.auxiliary[target.name]) for target in config.auxiliary}
        )
        self._team_costs = team_costs(config, config.robots, config.proprioception, config.space)

    def forward(self, seen: PolicyInput) -> Tensor:
        """Return fused features (B, F), from which the heads predict."""
        return self.see(seen)[0]

    def see(self, seen: PolicyInput) -> tuple[Tensor, dict[str, Located]]:
        """Return fused features (B, F), and what was found in the pictures of every camera."""
        assert seen.tokens is not None
        assert seen.sentence is not None
        assert seen.agent_pos is not None
        sentence = self.language(seen.tokens)[seen.sentence]
        located = self._look(seen, sentence)
        points = [found.points for found in located.values()]
        proprioception = self.proprioception(self.normalize(seen.agent_pos))
        known = [*points, sentence, proprioception]
        if self.config.fusion == "attention":
            known.append(self.attention(torch.stack(points, dim=1), sentence, proprioception))
        return self.trunk(torch.cat(known, dim=-1)), located

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints``, ``gripper``, ``pointing``, the team's motion's and one per auxiliary target."""
        features, located = self.see(batch.input)
        costs, raw = self.head.learn(features, batch.actions, batch.valid, batch_generator(batch))
        costs |= self._team_costs(self.head.motions(raw)[:, 0], batch)
        tell = self.auxiliary, self.normalize_auxiliary
        costs |= auxiliary_costs(*tell, features, batch.auxiliary, batch.auxiliary_valid)
        if self.config.pointing_weight:
            costs["pointing"] = pointing_cost((found, batch.places[camera]) for camera, found in located.items())
        return self.config.weigh(costs)

    def chunks(self, seen: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        return self.head.decode(self.head(self(seen)))

    def _kinds(self) -> dict[str, list[str]]:
        kinds: dict[str, list[str]] = {}
        for camera in self.config.cameras:
            kinds.setdefault(re.sub(r"_\d+$", "", camera), []).append(camera)
        return kinds

    def _look(self, seen: PolicyInput, sentence: Tensor) -> dict[str, Located]:
        """Return what is found in the pictures of every camera; those of one kind go through its network together."""
        located: dict[str, Located] = {}
        for kind, cameras in self._kinds().items():
            pictures = torch.cat([seen.pixels[camera] for camera in cameras])
            points, maps, anchor = self.views[kind](pictures, sentence.repeat(len(cameras), 1))
            parts = zip(cameras, points.chunk(len(cameras)), maps.chunk(len(cameras)), strict=True)
            located |= {camera: Located(own, own_maps, anchor) for camera, own, own_maps in parts}
        return located
