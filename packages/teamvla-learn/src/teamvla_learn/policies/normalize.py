"""Normalization layer, whose statistics are stored in the configuration, not among the weights."""

import torch
from torch import Tensor, nn

from teamvla_learn.data.normalization import Statistics


class Normalize(nn.Module):
    """Subtraction of the mean and division by the standard deviation of vectors (..., n) float32.

    Args:
        statistics: Mean and standard deviation, (n,).
        ignored: Entries that are replaced by 0.
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
        """Normalize vectors (..., n)."""
        return (values - self._mean) / self._std * self._seen
