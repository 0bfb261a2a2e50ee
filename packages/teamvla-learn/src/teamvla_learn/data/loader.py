"""Batches for a training loop of one's own: a torch ``DataLoader`` whose order does not depend on its workers."""

from collections.abc import Iterable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from teamvla_learn.data.batch import Batch
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.sampler import BatchSampler


class StepBatches(Dataset[Batch]):
    """The batch of every step: what it holds and how it is changed depends on the seed and the step alone.

    Args:
        assembler: Makes batches of the samples.
        batch_size: Samples of a batch.
        seed: Seed of shuffling, sentences and changes of the pictures.
    """

    def __init__(self, assembler: BatchAssembler, batch_size: int, seed: int):
        self._assembler = assembler
        self._order = BatchSampler.over_groups(assembler.dataset.task, batch_size, seed)
        self._seed = seed

    def __getitem__(self, index: int) -> Batch:
        return self._assembler.batch(self._order.indices(index), step_generator(self._seed, index))


def make_dataloader(
    assembler: BatchAssembler,
    batch_size: int,
    steps: Iterable[int],
    seed: int = 0,
    num_workers: int = 0,
) -> DataLoader[Batch]:
    """Make a loader that yields the :class:`Batch` of each step.

    Tasks are sampled evenly, each in shuffled epochs. The batches are the same for any number of workers, and a loop
    that is stopped goes on with ``steps=range(done, total)``.

    Args:
        assembler: Makes batches of the samples.
        batch_size: Samples of a batch.
        steps: Which steps, such as ``range(1000)``.
        seed: Seed of shuffling, sentences and changes of the pictures.
        num_workers: Processes that assemble ahead; 0 assembles in this one.
    """
    batches = StepBatches(assembler, batch_size, seed)
    return DataLoader(
        batches,
        batch_size=None,
        sampler=list(steps),
        num_workers=num_workers,
        worker_init_fn=_one_thread,
    )


def step_generator(seed: int, step: int, part: int = 0) -> np.random.Generator:
    """Return the generator of what is random about one part of a step's batch."""
    return np.random.default_rng((seed, step, part))


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
