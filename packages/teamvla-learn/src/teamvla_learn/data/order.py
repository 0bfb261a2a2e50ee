"""The order of samples: a function of the seed and the step alone, so that resuming needs no memory."""

import numpy as np


class SampleOrder:
    """An endless stream of shuffled epochs, cut into batches.

    Args:
        count: Number of samples.
        batch_size: Samples of a batch; a batch may straddle two epochs.
        seed: Seed of the shuffling.
    """

    def __init__(self, count: int, batch_size: int, seed: int):
        if count < 1 or batch_size < 1:
            raise ValueError(f"{count} samples in batches of {batch_size}, expected at least 1 of each")
        self._count = count
        self._batch_size = batch_size
        self._seed = seed
        self._epochs: dict[int, np.ndarray] = {}

    def indices(self, step: int) -> np.ndarray:
        """Return the samples of a step's batch, (batch_size,) int64."""
        positions = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
        epochs, within = np.divmod(positions, self._count)
        first, last = int(epochs[0]), int(epochs[-1])
        self._epochs = {epoch: self._permutation(epoch) for epoch in range(first, last + 1)}
        return np.array([self._epochs[epoch][i] for epoch, i in zip(epochs.tolist(), within.tolist(), strict=True)])

    def _permutation(self, epoch: int) -> np.ndarray:
        known = self._epochs.get(epoch)
        return np.random.default_rng((self._seed, epoch)).permutation(self._count) if known is None else known
