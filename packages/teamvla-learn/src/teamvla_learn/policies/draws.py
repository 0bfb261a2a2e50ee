"""Random numbers of a training step that are a function of its batch alone.

A training must be the same whether it was interrupted or not, and however many threads compute its parts. So what is
drawn for a batch, such as lost messages, comes from a generator seeded by the batch's own content; shuffling and
augmentation make that different in every step.
"""

import torch

from teamvla_learn.data.batch import Batch


def batch_generator(batch: Batch) -> torch.Generator:
    """Return a generator on the CPU, seeded by the actions and by every picture's middle row."""
    total = int(batch.actions.contiguous().view(torch.int32).sum(dtype=torch.int64))
    for image in batch.input.pixels.values():
        total = 31 * total + int(image[:, image.shape[1] // 2].sum(dtype=torch.int64))
    return torch.Generator().manual_seed(total % 2**63)
