"""StatePolicy: from the privileged state (goal included) to actions; no pictures, no sentence."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.draws import batch_generator
from teamvla_learn.policies.flow_head import make_head
from teamvla_learn.policies.losses import LossTerm, LossWeights
from teamvla_learn.policies.mlp import make_trunk
from teamvla_learn.policies.normalize import Normalize


@dataclass(frozen=True)
class StatePolicyConfig(LossWeights):
    """Sizes and loss weights of a :class:`StatePolicy`.

    Attributes:
        space: Shape of the actions.
        hidden_sizes: Widths of the hidden layers.
        ignored: Entries of ``environment_state`` that the policy does not look at.
        head: How actions are predicted and executed.
        parts: Parts of ``environment_state``; none in checkpoints of version 0.1.
    """

    space: ActionSpace
    hidden_sizes: tuple[int, ...] = (256, 256, 256)
    ignored: tuple[int, ...] = ()
    head: HeadConfig = field(default_factory=HeadConfig)
    parts: PartLayout = field(default_factory=lambda: PartLayout(()))


class StatePolicy(LearnedPolicy):
    """A multi-layer perceptron on ``environment_state``."""

    obs_mode: ClassVar[str] = "state"
    config: StatePolicyConfig

    def __init__(self, config: StatePolicyConfig, normalization: Normalization):
        super().__init__(config, normalization)
        if normalization.environment_state is None:
            raise ValueError("a state policy needs statistics of environment_state")
        self.normalize = Normalize(normalization.environment_state, config.ignored)
        self.trunk = make_trunk(self.normalize.size, config.hidden_sizes)
        self.head = make_head(config.hidden_sizes[-1], config.space, normalization.actions, config.head)

    def forward(self, seen: PolicyInput) -> Tensor:
        """Return features (B, F), from which the head predicts."""
        assert seen.environment_state is not None
        return self.trunk(self.normalize(seen.environment_state))

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints`` and ``gripper``."""
        costs, _ = self.head.learn(self(batch.input), batch.actions, batch.valid, batch_generator(batch))
        return self.config.weigh(costs)

    def chunks(self, seen: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""
        return self.head.decode(self.head(self(seen)))
