"""Sampling order as a function of the seed and the step, which makes resuming stateless."""

from collections.abc import Sequence

import numpy as np


class BatchSampler:
    """Batches from an infinite stream of samples: all groups in turn, each in its own shuffled epochs.

    Args:
        groups: Samples of each group, such as a task, (m,) int64; groups have equal shares of every batch.
        batch_size: Samples per batch; a batch may span two epochs.
        seed: Seed of the shuffling.
    """

    def __init__(self, groups: Sequence[np.ndarray], batch_size: int, seed: int):
        if not groups or min(map(len, groups)) < 1 or batch_size < 1:
            raise ValueError(
                f"{list(map(len, groups))} samples in batches of {batch_size}, expected at least 1 of each"
            )
        self._groups = list(groups)
        self._batch_size = batch_size
        self._seed = seed
        self._epochs: dict[tuple[int, int], np.ndarray] = {}

    @classmethod
    def over_groups(
        cls, group: np.ndarray, batch_size: int, seed: int, times: np.ndarray | None = None
    ) -> "BatchSampler":
        """Make the sampler of M samples that belong to groups of equal weight.

        Args:
            group: (M,), the group of each sample.
            batch_size: Samples per batch.
            seed: Seed of the shuffling.
            times: (M,) int64, number of times that a sample occurs in an epoch; once by default.
        """
        times = np.ones(len(group), np.int64) if times is None else times
        members = [np.flatnonzero(group == name) for name in np.unique(group)]
        return cls([np.repeat(samples, times[samples]) for samples in members], batch_size, seed)

    def indices(self, step: int) -> np.ndarray:
        """Return the samples of a step's batch, (batch_size,) int64."""
        positions = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
        turns, tasks = np.divmod(positions, len(self._groups))
        counts = np.array([len(group) for group in self._groups])[tasks]
        rounds, within = np.divmod(turns, counts)
        needed = dict.fromkeys(zip(tasks.tolist(), rounds.tolist(), strict=True))
        self._epochs = epochs = {key: self._permutation(*key) for key in needed}  # replaced whole: threads share it
        chosen = zip(tasks.tolist(), rounds.tolist(), within.tolist(), strict=True)
        return np.array([epochs[task, epoch][i] for task, epoch, i in chosen])

    def _permutation(self, task: int, epoch: int) -> np.ndarray:
        known = self._epochs.get((task, epoch))
        return (
            np.random.default_rng((self._seed, epoch, task)).permutation(self._groups[task]) if known is None else known
        )
