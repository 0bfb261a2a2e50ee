"""Named, weighted terms of a training loss."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.encoders.spatial_softmax import Keypoints


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
    """Average values (B, K, ...) over the samples and chunk targets where the mask (B, K) is True."""
    per_place = values.flatten(2).mean(-1)
    return (per_place * mask).sum() / mask.sum().clamp(min=1)


@dataclass(frozen=True)
class AuxiliaryTarget:
    """A part of ``environment_state`` that the network also learns to tell, in training only.

    Attributes:
        name: Name of the part.
        size: Its number of entries.
    """

    name: str
    size: int


def auxiliary_costs(
    heads: nn.ModuleDict,
    normalize: nn.ModuleDict,
    features: Tensor,
    targets: Mapping[str, Tensor],
    known: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return the smooth L1 of every part, by its name.

    Args:
        heads: Part -> layer from features to it.
        normalize: Part -> its normalization.
        features: (M, F); M is a multiple of B, neighboring rows are of one sample.
        targets: Part -> (B, k).
        known: Part -> (B,) bool, which samples have it.
    """
    costs = {}
    for name, tell in heads.items():
        copies = len(features) // len(targets[name])
        target = normalize[name](targets[name]).repeat_interleave(copies, dim=0)
        difference = functional.smooth_l1_loss(tell(features), target, reduction="none")
        costs[name] = masked_mean(difference[:, None], known[name].repeat_interleave(copies)[:, None])
    return costs


def pointing_cost(predictions: Iterable[tuple[Keypoints, Tensor]]) -> Tensor:
    """Return the mean cross-entropy of the maps and the targets, a scalar.

    A place between cells is shared out among the four around it, so that the map's mean is the place.

    Args:
        seen: What was found in the pictures of a camera, and where the first channels' things are, (B, T, 2), as
            :func:`teamvla_learn.data.keypoints.project_keypoints` tells. Those that are not in the picture do not count.
    """
    costs, counts = [], []
    for predicted, targets in predictions:
        maps = predicted.maps[:, : targets.shape[1]]
        inside = ((targets >= 0) & (targets <= 1)).all(-1)
        chances = maps.flatten(2).log_softmax(-1)
        height, width = maps.shape[2:]
        wanted = _spread(targets.nan_to_num(0.0), height, width, predicted.anchor)
        costs.append(-((wanted * chances).sum(-1) * inside).sum())
        counts.append(inside.sum())
    return torch.stack(costs).sum() / torch.stack(counts).sum().clamp(min=1)


def _spread(targets: Tensor, height: int, width: int, anchor: float) -> Tensor:
    """Share targets (B, T, 2) out among the cells of maps: (B, T, H*W), each sums to 1."""
    rows, columns = _shares(targets[..., 1], height, anchor), _shares(targets[..., 0], width, anchor)
    return (rows[..., :, None] * columns[..., None, :]).flatten(-2)


def _shares(fraction: Tensor, length: int, anchor: float) -> Tensor:
    """Share fractions of a picture's side (B, T) out among the cells along it, (B, T, length): the two around each."""
    cell = (fraction * length - anchor).clamp(0, length - 1)
    return torch.relu(1 - (cell[..., None] - torch.arange(length, device=cell.device)).abs())
