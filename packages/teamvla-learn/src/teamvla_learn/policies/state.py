"""StatePolicy: a multi-layer perceptron on the privileged state."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar, Self

from torch import Tensor

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.losses import LossTerm, LossWeights
from teamvla_learn.policies.mlp import make_mlp
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.options import PolicyOptions
from teamvla_learn.policies.registry import register_policy
from teamvla_learn.policies.training_data import TrainingData, ignored_entries


@dataclass(frozen=True)
class StatePolicyConfig(LossWeights):
    """Sizes and loss weights of a :class:`StatePolicy`.

    Attributes:
        space: Shape of the team's actions.
        hidden_sizes: Widths of the hidden layers.
        ignored: Entries of ``environment_state`` that the policy does not read.
        head: Action head.
        parts: Layout of ``environment_state``; empty in checkpoints of version 0.1.
    """

    space: ActionSpace
    hidden_sizes: tuple[int, ...] = (256, 256, 256)
    ignored: tuple[int, ...] = ()
    head: HeadConfig = field(default_factory=HeadConfig)
    parts: PartLayout = field(default_factory=lambda: PartLayout(()))


@register_policy("state")
class StatePolicy(LearnedPolicy):
    """A multi-layer perceptron from ``environment_state``, which contains the goal, to the actions of all arms."""

    obs_mode: ClassVar[str] = "state"
    config_class: ClassVar[type] = StatePolicyConfig
    default_minutes: ClassVar[float] = 1.0
    config: StatePolicyConfig

    def __init__(self, config: StatePolicyConfig, normalization: Normalization):
        super().__init__(config, normalization)
        if normalization.environment_state is None:
            raise ValueError("a state policy needs statistics of environment_state")
        self.normalize = Normalize(normalization.environment_state, config.ignored)
        self.trunk = make_mlp(self.normalize.size, config.hidden_sizes)
        self.head = make_head(config.hidden_sizes[-1], config.space, normalization.actions, config.head)

    @classmethod
    def from_data(cls, data: TrainingData, options: PolicyOptions) -> Self:
        """Make an untrained network for demonstrations of one task."""
        layout = data.source.environment_state
        config = StatePolicyConfig(
            data.action_space,
            ignored=ignored_entries(layout, data.source.tasks),
            head=options.head,
            parts=layout,
            **asdict(options.losses),
        )
        return cls(config, data.normalization(cls.obs_mode))

    def forward(self, obs: PolicyInput) -> Tensor:
        """Return the features (B, F) that the action head reads."""
        assert obs.environment_state is not None
        return self.trunk(self.normalize(obs.environment_state))

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints`` and ``gripper``."""
        costs, _ = self.head.compute_loss(self(batch.input), batch.actions, batch.valid, batch.generator())
        return self.config.weigh(costs)

    def predict_chunk(self, obs: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        return self.head.decode(self.head(self(obs)))
