"""Maps of activation to points: each channel becomes the mean picture coordinates of its activation.

Levine et al., "End-to-end training of deep visuomotor policies" (JMLR 2016). A point's coordinates do not tell whether
what the channel looks for is in the picture at all; the point's strength, which is added here, does.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

POINT_SIZE = 3  # x, y and strength
_STRENGTH = 0.25  # keeps the strengths that occur inside tanh's steep part


class Keypoints(NamedTuple):
    """What a picture encoder found.

    Attributes:
        points: (B, 3 C) float32: x and y in [-1, 1], and strength in (-1, 1), of each channel.
        maps: (B, C, H, W) float32, the log-odds of the places that the points are the means of.
        anchor: Where in its cell the middle of what a place sees is, as a fraction of the cell.
    """

    points: Tensor
    maps: Tensor
    anchor: float


class SpatialSoftmax(nn.Module):
    """Activations (B, C, H, W) to what they locate.

    The strength is the soft maximum of the channel's activation, log-mean-exp over the places, squashed.

    Args:
        height: H.
        width: W.
        anchor: See :class:`Keypoints`.
        sharpness: Factor of the activations. At 1 a new network averages over the whole picture; the larger it is, the
            more a point is the one cell of the strongest activation.
    """

    def __init__(self, height: int, width: int, anchor: float = 0.5, sharpness: float = 1.0):
        super().__init__()
        self._anchor = anchor
        self._sharpness = sharpness
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("_coordinates", torch.stack([x.flatten(), y.flatten()], dim=1), persistent=False)
        self._coordinates: Tensor

    def forward(self, activations: Tensor) -> Keypoints:
        """Return where, and how much, each channel is active."""
        with torch.autocast(activations.device.type, enabled=False):
            logits = self._sharpness * activations.flatten(2).float()
            places = logits.softmax(dim=-1) @ self._coordinates
            strength = logits.logsumexp(dim=-1, keepdim=True) - math.log(logits.shape[-1])
            points = torch.cat([places, (_STRENGTH * strength).tanh()], dim=-1).flatten(1)
            return Keypoints(points, logits.unflatten(2, activations.shape[2:]), self._anchor)
