"""An exponential moving average of a network's weights, which is what is validated, saved and rolled out."""

import copy

import torch
from torch import Tensor

from teamvla_learn.policies.base import LearnedPolicy


class WeightAverage:
    """Follows a network that is being trained.

    Args:
        policy: The network.
        decay: Weight of the past at each update; early on less, so that the random start is soon forgotten.
    """

    def __init__(self, policy: LearnedPolicy, decay: float):
        self.policy = copy.deepcopy(policy).eval().requires_grad_(False)
        self._followed: list[Tensor] = list(policy.parameters())
        self._average: list[Tensor] = list(self.policy.parameters())
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._followed, 1.0 - decay)
