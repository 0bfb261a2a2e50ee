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


def weighted_sum(terms: Mapping[str, LossTerm]) -> Tensor:
    """Return the scalar that training lowers."""
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average values (B, K, ...) over the samples and chunk places where the mask (B, K) is True."""
    per_place = values.flatten(2).mean(-1)
    return (per_place * mask).sum() / mask.sum().clamp(min=1)
