"""A policy architecture in one file: a residual multi-layer perceptron on the privileged state."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar, Self

from teamvla_envs.errors import UserError
from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.losses import LossTerm, LossWeights
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.registry import register_policy
from teamvla_learn.policies.training_data import TrainingData, ignored_entries
from torch import Tensor, nn


@dataclass(frozen=True)
class ResidualConfig:
    """Sizes of the residual network.

    Attributes:
        blocks: Residual blocks.
        width: Width of a block.
    """

    blocks: int = 3
    width: int = 256

    def __post_init__(self) -> None:
        """Check the sizes."""
        if self.blocks < 1 or self.width < 1:
            raise UserError(f"blocks is {self.blocks} and width is {self.width}, expected at least 1")


@dataclass(frozen=True)
class ResidualOptions(PolicyOptions):
    """Options of a :class:`ResidualPolicy`.

    Attributes:
        residual: Sizes of the residual network.
    """

    residual: ResidualConfig = field(default_factory=ResidualConfig)


@dataclass(frozen=True)
class ResidualPolicyConfig(LossWeights):
    """Configuration of a :class:`ResidualPolicy`, stored in its checkpoints.

    Attributes:
        space: Shape of the team's actions.
        residual: Sizes of the residual network.
        head: Action head.
        ignored: Entries of ``environment_state`` that the policy does not read.
        parts: Layout of ``environment_state``.
    """

    space: ActionSpace
    residual: ResidualConfig
    head: HeadConfig
    ignored: tuple[int, ...]
    parts: PartLayout


@register_policy("residual")
class ResidualPolicy(LearnedPolicy):
    """A residual multi-layer perceptron from ``environment_state`` to the actions of all arms."""

    obs_mode: ClassVar[str] = "state"
    config_class: ClassVar[type] = ResidualPolicyConfig
    options_class: ClassVar[type[PolicyOptions]] = ResidualOptions
    default_minutes: ClassVar[float] = 1.0
    config: ResidualPolicyConfig

    def __init__(self, config: ResidualPolicyConfig, normalization: Normalization):
        super().__init__(config, normalization)
        assert normalization.environment_state is not None
        width = config.residual.width
        self.normalize = Normalize(normalization.environment_state, config.ignored)
        self.input = nn.Linear(self.normalize.size, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(config.residual.blocks)
        )
        self.head = make_head(width, config.space, normalization.actions, config.head)

    @classmethod
    def from_data(cls, data: TrainingData, options: ResidualOptions) -> Self:
        """Make an untrained network for demonstrations of one task."""
        layout = data.source.environment_state
        config = ResidualPolicyConfig(
            space=data.action_space,
            residual=options.residual,
            head=options.head,
            ignored=ignored_entries(layout, data.source.tasks),
            parts=layout,
            **asdict(options.losses),
        )
        return cls(config, data.normalization(cls.obs_mode))

    def forward(self, obs: PolicyInput) -> Tensor:
        """Return the features (B, width) that the action head reads."""
        assert obs.environment_state is not None
        features = self.input(self.normalize(obs.environment_state))
        for block in self.blocks:
            features = features + block(features)
        return features

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints`` and ``gripper``."""
        costs, _ = self.head.compute_loss(self(batch.input), batch.actions, batch.valid, batch.generator())
        return self.config.weigh(costs)

    def predict_chunk(self, obs: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        return self.head.decode(self.head(self(obs)))
