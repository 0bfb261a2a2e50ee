"""Loss terms of a training: weights, auxiliary targets and pointing.

Auxiliary targets are parts of the privileged state that the features must predict. Pointing trains the first channels
of every image encoder to be active at the task's keypoints: the instruction decides which of several similar objects is
meant, and a network learns that slowly from the expert's actions alone. Both are used in training only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.encoders.spatial_softmax import Keypoints


@dataclass(frozen=True)
class LossTerm:
    """A term of the loss: a scalar and its weight."""

    value: Tensor
    weight: float


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the loss terms; 0 disables a term.

    Attributes:
        action_weight: Weight of the joint actions.
        gripper_weight: Weight of the gripper actions.
        auxiliary_weight: Weight of each auxiliary target.
        pointing_weight: Weight of locating the task's keypoints in the images.
        coordination_weight: Weight of the relative tool-position error of cooperating arms.
        collision_weight: Weight of arms that approach each other more closely than the expert's.
    """

    action_weight: float = 1.0
    gripper_weight: float = 1.0
    auxiliary_weight: float = 0.3
    pointing_weight: float = 1.0
    coordination_weight: float = 0.0
    collision_weight: float = 0.0

    def weigh(self, costs: Mapping[str, Tensor]) -> dict[str, LossTerm]:
        """Return the weighted terms of named scalar costs; a name without its own weight is an auxiliary target."""
        weights = {
            "joints": self.action_weight,
            "gripper": self.gripper_weight,
            "pointing": self.pointing_weight,
            "coordination": self.coordination_weight,
            "collision": self.collision_weight,
        }
        return {name: LossTerm(cost, weights.get(name, self.auxiliary_weight)) for name, cost in costs.items()}


def weighted_sum(terms: Mapping[str, LossTerm]) -> Tensor:
    """Return the total loss, a scalar."""
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average values (B, K, ...) over the samples and chunk positions where the mask (B, K) is True."""
    per_action = values.flatten(2).mean(-1)
    return (per_action * mask).sum() / mask.sum().clamp(min=1)


@dataclass(frozen=True)
class AuxiliaryTarget:
    """A part of ``environment_state`` that the network also learns to predict, in training only.

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
    """Return the smooth L1 loss of every auxiliary target, by name.

    Args:
        heads: Target -> linear layer that predicts it.
        normalize: Target -> its normalization.
        features: (M, F) float32; M is a multiple of B, consecutive rows belong to one sample.
        targets: Target -> (B, k) float32.
        known: Target -> (B,) bool, False for samples without it.
    """
    costs = {}
    for name, head in heads.items():
        copies = len(features) // len(targets[name])
        target = normalize[name](targets[name]).repeat_interleave(copies, dim=0)
        difference = functional.smooth_l1_loss(head(features), target, reduction="none")
        costs[name] = masked_mean(difference[:, None], known[name].repeat_interleave(copies)[:, None])
    return costs


def pointing_cost(predictions: Iterable[tuple[Keypoints, Tensor]]) -> Tensor:
    """Return the mean cross-entropy between activation maps and keypoints, a scalar.

    A keypoint between cells is distributed over the four cells around it such that their mean is the keypoint.

    Args:
        predictions: For each camera the encoder's keypoints, and the true keypoints of its first T channels, (B, T, 2)
            float32 (:func:`teamvla_learn.data.keypoints.project_keypoints`); those outside the image are ignored.
    """
    costs, counts = [], []
    for predicted, targets in predictions:
        maps = predicted.maps[:, : targets.shape[1]]
        inside = ((targets >= 0) & (targets <= 1)).all(-1)
        log_probabilities = maps.flatten(2).log_softmax(-1)
        height, width = maps.shape[2:]
        wanted = _distribute(targets.nan_to_num(0.0), height, width, predicted.anchor)
        costs.append(-((wanted * log_probabilities).sum(-1) * inside).sum())
        counts.append(inside.sum())
    return torch.stack(costs).sum() / torch.stack(counts).sum().clamp(min=1)


def _distribute(targets: Tensor, height: int, width: int, anchor: float) -> Tensor:
    """Distribute keypoints (B, T, 2) over the cells of maps: (B, T, H*W), each sums to 1."""
    rows, columns = _shares(targets[..., 1], height, anchor), _shares(targets[..., 0], width, anchor)
    return (rows[..., :, None] * columns[..., None, :]).flatten(-2)


def _shares(fraction: Tensor, length: int, anchor: float) -> Tensor:
    """Distribute fractions of an image side (B, T) over the two nearest of its cells: (B, T, length)."""
    cell = (fraction * length - anchor).clamp(0, length - 1)
    return torch.relu(1 - (cell[..., None] - torch.arange(length, device=cell.device)).abs())
