"""Pictures shifted and brightened at random, so that a network does not learn the demonstrations by heart.

Random shifts: Kostrikov, Yarats, Fergus, "Image augmentation is all you need" (ICLR 2021).
"""

import numpy as np


def augment(pictures: np.ndarray, rng: np.random.Generator, shift: int, brightness: float) -> np.ndarray:
    """Shift every picture by up to ``shift`` pixels in either direction and scale its brightness.

    What moves in is a copy of the edge.

    Args:
        pictures: (B, H, W, 3) uint8.
        rng: Draws one shift and one brightness per picture.
        shift: Largest shift [px].
        brightness: Largest relative change of brightness.

    Returns:
        (B, H, W, 3) uint8, new.
    """
    count, height, width = pictures.shape[:3]
    shifts = rng.integers(-shift, shift + 1, (count, 2))
    factors = np.round(128 * rng.uniform(1 - brightness, 1 + brightness, count)).astype(np.uint16)
    result = np.empty_like(pictures)
    for picture, target, (down, right) in zip(pictures, result, shifts.tolist(), strict=True):
        rows, columns = _span(down, height), _span(right, width)
        target[rows.start : rows.stop, columns.start : columns.stop] = picture[
            rows.start - down : rows.stop - down, columns.start - right : columns.stop - right
        ]
        target[rows.start : rows.stop, : columns.start] = target[rows.start : rows.stop, columns.start, None]
        target[rows.start : rows.stop, columns.stop :] = target[rows.start : rows.stop, columns.stop - 1, None]
        target[: rows.start] = target[rows.start]
        target[rows.stop :] = target[rows.stop - 1]
    if brightness:
        lit = (result.astype(np.uint16) * factors[:, None, None, None]) >> 7  # fits: 255 * 128 * 2 < 2**16
        result = np.minimum(lit, 255).astype(np.uint8)
    return result


def _span(shift: int, length: int) -> range:
    """Where a shifted picture covers the target."""
    return range(max(shift, 0), length + min(shift, 0))
