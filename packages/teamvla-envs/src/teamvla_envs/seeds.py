"""Disjoint seed ranges of the training, validation and test sets."""

from typing import Final

import numpy as np

from teamvla_envs.errors import UserError

SEED_SETS: Final[dict[str, range]] = {
    "train": range(1_000_000),
    "validation": range(1_000_000, 2_000_000),
    "test": range(2_000_000, 3_000_000),
}


def episode_seeds(seed_set: str, count: int, offset: int = 0) -> np.ndarray:
    """Return consecutive episode seeds of one set.

    Args:
        seed_set: A name in ``SEED_SETS``.
        count: Number of seeds.
        offset: Number of seeds of the set to skip first.

    Returns:
        (count,) int64.

    Raises:
        UserError: For an unknown set, or when the set has too few seeds.
    """
    if seed_set not in SEED_SETS:
        raise UserError(f"seed_set is {seed_set!r}, allowed are {', '.join(SEED_SETS)}")
    seeds = SEED_SETS[seed_set]
    if count < 0 or offset < 0:
        raise UserError(f"count is {count} and offset is {offset}, expected numbers that are not negative")
    if offset + count > len(seeds):
        raise UserError(f"seed set {seed_set!r} has {len(seeds)} seeds, asked for {count} from number {offset} on")
    return np.arange(seeds.start + offset, seeds.start + offset + count, dtype=np.int64)
