"""SingleBrainVLA: one network that sees all cameras and arms, reads the instruction, and moves all arms."""

import re
from dataclasses import asdict, dataclass, field
from typing import Annotated, ClassVar, Self

import torch
import tyro
from torch import Tensor, nn

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.encoders.factory import make_language, make_vision
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.proprioception import ProprioceptionEncoder
from teamvla_learn.encoders.spatial_softmax import POINT_SIZE, Keypoints
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.fusion import AttentionFusion, Fusion
from teamvla_learn.policies.losses import AuxiliaryTarget, LossTerm, LossWeights, auxiliary_costs, pointing_cost
from teamvla_learn.policies.mlp import make_mlp
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.options import PolicyOptions, VisionLanguageOptions
from teamvla_learn.policies.registry import register_policy
from teamvla_learn.policies.team_losses import TeamCosts
from teamvla_learn.policies.training_data import TrainingData, ignored_entries


@dataclass(frozen=True)
class SingleBrainOptions(VisionLanguageOptions):
    """Options of a :class:`SingleBrainVLA`.

    Attributes:
        fusion: Fusion of keypoints, instruction and proprioception of a ``vla`` policy: ``concat`` concatenates them;
            ``attention`` also appends one cross-attention query per arm.
    """

    fusion: Annotated[Fusion, tyro.conf.arg(aliases=["--fusion"])] = "concat"


@dataclass(frozen=True)
class SingleBrainConfig(LossWeights):
    """Sizes and loss weights of a :class:`SingleBrainVLA`.

    Attributes:
        space: Shape of the team's actions.
        cameras: Names of the cameras; those that differ only in a trailing number (``wrist_0``, ``wrist_1``) share one
            encoder.
        image_size: (H, W) of every image [px].
        vocabulary_size: Number of words in the tokenizer.
        vision: Image encoders.
        language: Instruction encoder.
        proprioception_size: Length of the encoded proprioception.
        hidden_sizes: Widths of the fusion layers.
        auxiliary: Auxiliary targets, in training only.
        ignored: Entries of ``agent_pos`` that the policy does not read.
        fusion: ``concat`` concatenates keypoints, instruction and proprioception before the fusion layers;
            ``attention`` also appends one cross-attention query per arm.
        head: Action head.
        robots: Robot of each arm; required by the coordination and collision losses.
        proprioception: Layout of one arm's proprioception; required by the same losses.
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


@register_policy("vla")
class SingleBrainVLA(LearnedPolicy):
    """Instruction-conditioned image keypoints, instruction and proprioception to the actions of all arms."""

    obs_mode: ClassVar[str] = "vision"
    config_class: ClassVar[type] = SingleBrainConfig
    options_class: ClassVar[type[PolicyOptions]] = SingleBrainOptions
    learns_auxiliary: ClassVar[bool] = True
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
        self.trunk = make_mlp(fused, config.hidden_sizes)
        self.head = make_head(config.hidden_sizes[-1], config.space, normalization.actions, config.head)
        self.auxiliary = nn.ModuleDict(
            {target.name: nn.Linear(config.hidden_sizes[-1], target.size) for target in config.auxiliary}
        )
        self.normalize_auxiliary = nn.ModuleDict(
            {target.name: Normalize(normalization.auxiliary[target.name]) for target in config.auxiliary}
        )
        self._team_costs = TeamCosts(config, config.robots, config.proprioception, config.space)

    @classmethod
    def from_data(cls, data: TrainingData, options: SingleBrainOptions) -> Self:
        """Make an untrained network for demonstrations with images."""
        space, targets, layout = data.action_space, data.auxiliary_targets, data.source.agent_pos
        ignored = ignored_entries(layout, data.source.tasks)
        robots = data.robots(options.losses)
        config = SingleBrainConfig(
            space=space,
            cameras=data.cameras,
            image_size=data.image_size,
            vocabulary_size=data.vocabulary_size,
            auxiliary=targets,
            ignored=tuple(arm * layout.size + i for arm in range(space.num_arms) for i in ignored),
            fusion=options.fusion,
            vision=options.vision,
            language=options.language,
            head=options.head,
            robots=robots,
            proprioception=layout if robots else PartLayout(()),
            **asdict(options.losses),
        )
        return cls(config, data.normalization(cls.obs_mode, targets))

    def forward(self, obs: PolicyInput) -> Tensor:
        """Return the fused features (B, F) that the heads read."""
        return self.encode(obs)[0]

    def encode(self, obs: PolicyInput) -> tuple[Tensor, dict[str, Keypoints]]:
        """Return the fused features (B, F), and the keypoints of every camera."""
        assert obs.tokens is not None
        assert obs.instruction is not None
        assert obs.agent_pos is not None
        instruction = self.language(obs.tokens)[obs.instruction]
        keypoints = self._locate_keypoints(obs, instruction)
        points = [found.points for found in keypoints.values()]
        proprioception = self.proprioception(self.normalize(obs.agent_pos))
        features = [*points, instruction, proprioception]
        if self.config.fusion == "attention":
            features.append(self.attention(torch.stack(points, dim=1), instruction, proprioception))
        return self.trunk(torch.cat(features, dim=-1)), keypoints

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints``, ``gripper``, ``pointing``, the team losses and one per auxiliary target."""
        features, keypoints = self.encode(batch.input)
        costs, raw = self.head.compute_loss(features, batch.actions, batch.valid, batch.generator())
        costs |= self._team_costs(self.head.denormalize(raw)[:, 0], batch)
        heads = self.auxiliary, self.normalize_auxiliary
        costs |= auxiliary_costs(*heads, features, batch.auxiliary, batch.auxiliary_valid)
        if self.config.pointing_weight:
            costs["pointing"] = pointing_cost((found, batch.keypoints[camera]) for camera, found in keypoints.items())
        return self.config.weigh(costs)

    def predict_chunk(self, obs: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        return self.head.decode(self.head(self(obs)))

    def _kinds(self) -> dict[str, list[str]]:
        kinds: dict[str, list[str]] = {}
        for camera in self.config.cameras:
            kinds.setdefault(re.sub(r"_\d+$", "", camera), []).append(camera)
        return kinds

    def _locate_keypoints(self, obs: PolicyInput, instruction: Tensor) -> dict[str, Keypoints]:
        """Return the keypoints of every camera; cameras of one kind share a forward pass."""
        keypoints: dict[str, Keypoints] = {}
        for kind, cameras in self._kinds().items():
            images = torch.cat([obs.pixels[camera] for camera in cameras])
            points, maps, anchor = self.views[kind](images, instruction.repeat(len(cameras), 1))
            parts = zip(cameras, points.chunk(len(cameras)), maps.chunk(len(cameras)), strict=True)
            keypoints |= {camera: Keypoints(own, own_maps, anchor) for camera, own, own_maps in parts}
        return keypoints
