"""Normalization as a layer: its statistics live in the checkpoint's configuration, not among the weights."""

import torch
from torch import Tensor, nn

from teamvla_learn.data.normalization import Statistics


class Normalize(nn.Module):
    """Subtracts the mean and divides by the standard deviation; (..., n) float32 in and out.

    Args:
        statistics: Mean and standard deviation, (n,).
        ignored: Entries that become 0 whatever they are.
    """

    def __init__(self, statistics: Statistics, ignored: tuple[int, ...] = ()):
        super().__init__()
        seen = torch.ones(len(statistics.mean))
        seen[list(ignored)] = 0.0
        self.register_buffer("_seen", seen, persistent=False)
        self.register_buffer("_mean", torch.from_numpy(statistics.mean.copy()), persistent=False)
        self.register_buffer("_std", torch.from_numpy(statistics.std.copy()), persistent=False)
        self._mean: Tensor
        self._std: Tensor
        self._seen: Tensor

    @property
    def size(self) -> int:
        """Length n of the vectors."""
        return self._mean.numel()

    def forward(self, values: Tensor) -> Tensor:
        """Normalize."""
        return (values - self._mean) / self._std * self._seen
