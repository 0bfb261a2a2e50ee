"""Random numbers of a training step that are a function of its batch alone.

A training must be the same whether it was interrupted or not, and however many threads compute its parts. So what is
drawn for a batch, such as lost messages, comes from a generator with the batch's own seed.
"""

import torch

from teamvla_learn.data.batch import Batch


def batch_generator(batch: Batch) -> torch.Generator:
    """Return a generator with the batch's seed, on its device."""
    return torch.Generator(batch.actions.device).manual_seed(batch.seed)
