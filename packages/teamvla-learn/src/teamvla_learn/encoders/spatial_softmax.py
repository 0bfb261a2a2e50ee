"""Spatial softmax: keypoints as the mean image coordinates of each channel's activation.

Levine et al., "End-to-end training of deep visuomotor policies" (JMLR 2016). The added strength of a keypoint indicates
whether the feature is in the image at all.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

POINT_SIZE = 3  # x, y and strength
_STRENGTH = 0.25  # scales typical strengths into the steep part of tanh


class Keypoints(NamedTuple):
    """Keypoints of a batch of images.

    Attributes:
        points: (B, 3*C) float32: x and y in [-1, 1], and strength in (-1, 1), of each channel.
        maps: (B, C, H, W) float32, logits of the distribution over cells that a keypoint is the mean of.
        anchor: Center of a cell's receptive field, as a fraction of the cell.
    """

    points: Tensor
    maps: Tensor
    anchor: float


class SpatialSoftmax(nn.Module):
    """Activations (B, C, H, W) to keypoints.

    The strength of a keypoint is the squashed log-mean-exp of the channel's activation.

    Args:
        height: H.
        width: W.
        anchor: See :class:`Keypoints`.
        sharpness: Factor of the activations. At 1 an untrained network averages over the whole image; a larger factor
            moves a keypoint toward the cell of the strongest activation.
    """

    def __init__(self, height: int, width: int, anchor: float = 0.5, sharpness: float = 1.0):
        super().__init__()
        self._anchor = anchor
        self._sharpness = sharpness
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("_coordinates", torch.stack([x.flatten(), y.flatten()], dim=1), persistent=False)
        self._coordinates: Tensor

    def forward(self, activations: Tensor) -> Keypoints:
        """Return the keypoint of each channel of activations (B, C, H, W)."""
        with torch.autocast(activations.device.type, enabled=False):
            logits = self._sharpness * activations.flatten(2).float()
            means = logits.softmax(dim=-1) @ self._coordinates
            strength = logits.logsumexp(dim=-1, keepdim=True) - math.log(logits.shape[-1])
            points = torch.cat([means, (_STRENGTH * strength).tanh()], dim=-1).flatten(1)
            return Keypoints(points, logits.unflatten(2, activations.shape[2:]), self._anchor)
