"""What every learned policy is: a network with a configuration, a loss to train it and a way to act."""

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from teamvla_learn.data.batch import Batch, PolicyInput
from teamvla_learn.data.normalization import Normalization
from teamvla_learn.policies.losses import LossTerm


class LearnedPolicy(nn.Module):
    """Base of the policies that are trained and saved.

    Attributes:
        obs_mode: Observation mode of the environments that it acts in.
        config: Frozen dataclass that, with the normalization, determines the network's shape.
        normalization: Statistics of the training demonstrations.
    """

    obs_mode: ClassVar[str]

    def __init__(self, config: Any, normalization: Normalization):
        super().__init__()
        self.config = config
        self.normalization = normalization

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, LossTerm]:
        """Return the named terms of the training loss on a batch."""

    @abstractmethod
    def chunks(self, seen: PolicyInput) -> Tensor:
        """Return the next K actions, (B, K, A*D) float32 in [-1, 1]."""

    def actions(self, seen: PolicyInput) -> Tensor:
        """Return the actions to execute, (B, A*D) float32 in [-1, 1]."""
        return self.chunks(seen)[:, 0]
