"""Named, weighted terms of a training loss."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossTerm:
    """One term: a scalar and what it counts."""

    value: Tensor
    weight: float


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each term of the loss counts; 0 leaves a term out.

    Attributes:
        action_weight: Of the joints.
        gripper_weight: Of the grippers.
        auxiliary_weight: Of each part of the privileged state that is also told.
        pointing_weight: Of finding things in the pictures.
        coordination_weight: Of how tools stand to each other while arms act jointly.
        collision_weight: Of arms that come closer to each other than the expert's.
    """

    action_weight: float = 1.0
    gripper_weight: float = 1.0
    auxiliary_weight: float = 0.3
    pointing_weight: float = 1.0
    coordination_weight: float = 0.0
    collision_weight: float = 0.0

    def weigh(self, costs: Mapping[str, Tensor]) -> dict[str, LossTerm]:
        """Return terms from named costs: those named like a weight, and else auxiliary ones."""
        weights = {
            "joints": self.action_weight,
            "gripper": self.gripper_weight,
            "pointing": self.pointing_weight,
            "coordination": self.coordination_weight,
            "collision": self.collision_weight,
        }
        return {name: LossTerm(cost, weights.get(name, self.auxiliary_weight)) for name, cost in costs.items()}


def weighted_sum(terms: Mapping[str, LossTerm]) -> Tensor:
    """Return the scalar that training lowers."""
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average values (B, K, ...) over the samples and chunk places where the mask (B, K) is True."""
    per_place = values.flatten(2).mean(-1)
    return (per_place * mask).sum() / mask.sum().clamp(min=1)
