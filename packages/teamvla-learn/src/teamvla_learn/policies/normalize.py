"""Normalization as a layer: its statistics live in the checkpoint's configuration, not among the weights."""

import torch
from torch import Tensor, nn

from teamvla_learn.data.normalization import Statistics


class Normalize(nn.Module):
    """Subtracts the mean and divides by the standard deviation; (..., n) float32 in and out."""

    def __init__(self, statistics: Statistics):
        super().__init__()
        self.register_buffer("_mean", torch.from_numpy(statistics.mean.copy()), persistent=False)
        self.register_buffer("_std", torch.from_numpy(statistics.std.copy()), persistent=False)
        self._mean: Tensor
        self._std: Tensor

    @property
    def size(self) -> int:
        """Length n of the vectors."""
        return self._mean.numel()

    def forward(self, values: Tensor) -> Tensor:
        """Normalize."""
        return (values - self._mean) / self._std
