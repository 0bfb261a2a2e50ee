"""What a network also learns to tell, in training only: parts of the privileged state."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.policies.losses import masked_mean


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
