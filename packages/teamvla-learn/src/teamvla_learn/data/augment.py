"""Pictures shifted and lit at random, so that a network does not learn the demonstrations by heart.

Random shifts: Kostrikov, Yarats, Fergus, "Image augmentation is all you need" (ICLR 2021).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """How much pictures may change.

    Attributes:
        shift: Largest shift in either direction [px].
        brightness: Largest relative change of brightness.
        color: Largest relative change of red, green and blue against each other; below what makes another color of one.
    """

    shift: int = 0
    brightness: float = 0.0
    color: float = 0.0


def augment(pictures: np.ndarray, rng: np.random.Generator, change: Augmentation) -> np.ndarray:
    """Shift every picture and scale its brightness and its colors; what moves in is a copy of the edge.

    Args:
        pictures: (B, H, W, 3) uint8, or (B, T, H, W, 3) with equal changes for the T pictures of a window.
        rng: Draws one change per picture or window.
        change: How much they may change.

    Returns:
        uint8 of the same shape, new.
    """
    changed = _shift(pictures, rng, change.shift)
    if not change.brightness and not change.color:
        return changed
    count, *_, width, channels = pictures.shape
    light = rng.uniform(1 - change.brightness, 1 + change.brightness, (count, 1))
    tint = rng.uniform(1 - change.color, 1 + change.color, (count, channels))
    factors = np.minimum(np.round(128 * light * tint), 257).astype(np.uint16)  # 255 * 257 still fits into 16 bits
    # One picture after the other, so that the products stay in the processor's cache, and a row of bytes at a time:
    # with the three colors as an axis of their own it takes several times as long.
    bytes_of_rows = changed.reshape(*changed.shape[:-2], width * channels)
    products = np.empty(bytes_of_rows.shape[1:], np.uint16)
    for picture, factor in zip(bytes_of_rows, np.tile(factors, width), strict=True):
        np.multiply(picture, factor, out=products, dtype=np.uint16)
        np.right_shift(products, 7, out=products)
        np.minimum(products, 255, out=picture, casting="unsafe")
    return changed


def _shift(pictures: np.ndarray, rng: np.random.Generator, shift: int) -> np.ndarray:
    count, (height, width) = len(pictures), pictures.shape[-3:-1]
    shifts = rng.integers(-shift, shift + 1, (count, 2))
    result = np.empty_like(pictures)
    for picture, target, (down, right) in zip(pictures, result, shifts.tolist(), strict=True):
        rows, columns = _span(down, height), _span(right, width)
        target[..., rows.start : rows.stop, columns.start : columns.stop, :] = picture[
            ..., rows.start - down : rows.stop - down, columns.start - right : columns.stop - right, :
        ]
        inner = target[..., rows.start : rows.stop, :, :]
        inner[..., : columns.start, :] = inner[..., columns.start, None, :]
        inner[..., columns.stop :, :] = inner[..., columns.stop - 1, None, :]
        target[..., : rows.start, :, :] = target[..., rows.start, None, :, :]
        target[..., rows.stop :, :, :] = target[..., rows.stop - 1, None, :, :]
    return result


def _span(shift: int, length: int) -> range:
    """Where a shifted picture covers the target."""
    return range(max(shift, 0), length + min(shift, 0))
