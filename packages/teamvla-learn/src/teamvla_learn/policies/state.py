"""StatePolicy: from the privileged state (goal included) to actions; no pictures, no sentence."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.policies.action_head import ActionHead, ActionSpace
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.losses import LossTerm
from teamvla_learn.policies.normalize import Normalize
from teamvla_learn.policies.trunk import make_trunk


@dataclass(frozen=True)
class StatePolicyConfig:
    """Sizes and loss weights of a :class:`StatePolicy`.

    Attributes:
        space: Shape of the actions.
        hidden_sizes: Widths of the hidden layers.
        gripper_weight: Weight of the grippers' loss.
        ignored: Entries of ``environment_state`` that the policy does not look at.
    """

    space: ActionSpace
    hidden_sizes: tuple[int, ...] = (256, 256, 256)
    gripper_weight: float = 1.0
    ignored: tuple[int, ...] = ()


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
        self.head = ActionHead(config.hidden_sizes[-1], config.space, normalization.actions)

    def forward(self, seen: PolicyInput) -> Tensor:
        """Return raw action predictions (B, K, A, D)."""
        assert seen.environment_state is not None
        return self.head(self.trunk(self.normalize(seen.environment_state)))

    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the terms ``joints`` and ``gripper``."""
        return self.head.losses(self(batch.input), batch.actions, batch.valid, self.config.gripper_weight)

    def actions(self, seen: PolicyInput) -> Tensor:
        """Return the actions to execute, (B, A*D) float32 in [-1, 1]."""
        return self.head.decode(self(seen))[:, 0]
