"""A torch ``DataLoader`` for custom training loops, independent of the number of workers."""

from collections.abc import Iterable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from teamvla_learn.data.batch import Batch
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.sampler import BatchSampler


class StepBatches(Dataset[Batch]):
    """Dataset of the batches of all steps, each a function of the seed and the step; see :func:`make_dataloader`."""

    def __init__(self, assembler: BatchAssembler, batch_size: int, seed: int):
        self._assembler = assembler
        self._order = BatchSampler.over_groups(assembler.dataset.task, batch_size, seed)
        self._seed = seed

    def __getitem__(self, index: int) -> Batch:
        return self._assembler.batch(self._order.indices(index), step_generator(self._seed, index))


def make_dataloader(
    assembler: BatchAssembler, batch_size: int, steps: Iterable[int], seed: int = 0, num_workers: int = 0
) -> DataLoader[Batch]:
    """Make a loader that yields the :class:`Batch` of each step.

    Tasks are sampled evenly, each in shuffled epochs. The batches do not depend on the number of workers, and an
    interrupted loop continues with ``steps=range(done, total)``.

    Args:
        assembler: Collates the samples.
        batch_size: Samples per batch.
        steps: Numbers of the steps, such as ``range(1000)``.
        seed: Seed of shuffling, paraphrases and augmentation.
        num_workers: Processes that prefetch batches; 0 collates in this process.
    """
    batches = StepBatches(assembler, batch_size, seed)
    return DataLoader(
        batches, batch_size=None, sampler=list(steps), num_workers=num_workers, worker_init_fn=_one_thread
    )


def step_generator(seed: int, step: int, part: int = 0) -> np.random.Generator:
    """Return the random generator of one part of a step's batch."""
    return np.random.default_rng((seed, step, part))


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
