"""Maps of activation to points: each channel becomes the mean picture coordinates of its activation.

Levine et al., "End-to-end training of deep visuomotor policies" (JMLR 2016).
"""

import torch
from torch import Tensor, nn


class SpatialSoftmax(nn.Module):
    """Activations (B, C, H, W) to each channel's mean coordinates: (B, 2 C) float32 in [-1, 1], x before y."""

    def __init__(self, height: int, width: int):
        super().__init__()
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("_coordinates", torch.stack([x.flatten(), y.flatten()], dim=1), persistent=False)
        self._coordinates: Tensor

    def forward(self, activations: Tensor) -> Tensor:
        """Return where each channel is active."""
        with torch.autocast(activations.device.type, enabled=False):
            attention = activations.flatten(2).float().softmax(dim=-1)
            return (attention @ self._coordinates).transpose(1, 2).flatten(1)
