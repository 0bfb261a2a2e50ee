"""Pointing: the first channels of every picture encoder learn to be active where the things of the task are.

A sentence decides which of several alike things is meant, and a network finds that out slowly from the expert's actions
alone: from their first moments on, demonstrations show where the hand is going, and that is easier to read. Telling
where in each picture the thing is, in training only, makes it look at what was said.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from teamvla_learn.encoders.spatial_softmax import Located


def pointing_cost(seen: Iterable[tuple[Located, Tensor]]) -> Tensor:
    """Return the mean cross-entropy of the maps and the places, a scalar.

    A place between cells is shared out among the four around it, so that the map's mean is the place.

    Args:
        seen: What was found in the pictures of a camera, and where the first channels' things are, (B, T, 2), as
            :func:`teamvla_learn.data.keypoints.find_places` tells. Those that are not in the picture do not count.
    """
    costs, counts = [], []
    for located, places in seen:
        maps = located.maps[:, : places.shape[1]]
        inside = ((places >= 0) & (places <= 1)).all(-1)
        chances = maps.flatten(2).log_softmax(-1)
        height, width = maps.shape[2:]
        wanted = _spread(places.nan_to_num(0.0), height, width, located.anchor)
        costs.append(-((wanted * chances).sum(-1) * inside).sum())
        counts.append(inside.sum())
    return torch.stack(costs).sum() / torch.stack(counts).sum().clamp(min=1)


def _spread(places: Tensor, height: int, width: int, anchor: float) -> Tensor:
    """Share places (B, T, 2) out among the cells of maps: (B, T, H*W), each sums to 1."""
    rows, columns = _shares(places[..., 1], height, anchor), _shares(places[..., 0], width, anchor)
    return (rows[..., :, None] * columns[..., None, :]).flatten(-2)


def _shares(fraction: Tensor, length: int, anchor: float) -> Tensor:
    """Share fractions of a picture's side (B, T) out among the cells along it, (B, T, length): the two around each."""
    cell = (fraction * length - anchor).clamp(0, length - 1)
    return torch.relu(1 - (cell[..., None] - torch.arange(length, device=cell.device)).abs())
