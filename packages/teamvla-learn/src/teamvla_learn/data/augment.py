"""Pictures shifted and lit, and words left out, at random: a network should not learn the demonstrations by heart.

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
        contrast: Largest share of medium gray that is mixed in.
        word_dropout: Probability that a word of a sentence is replaced by the unknown word.
    """

    shift: int = 0
    brightness: float = 0.0
    color: float = 0.0
    contrast: float = 0.0
    word_dropout: float = 0.0


def augment(pictures: np.ndarray, rng: np.random.Generator, change: Augmentation) -> tuple[np.ndarray, np.ndarray]:
    """Shift every picture, scale its brightness and colors and mix in gray; what moves in is a copy of the edge.

    Args:
        pictures: (B, H, W, 3) uint8, or (B, T, H, W, 3) with equal changes for the T pictures of a window.
        rng: Draws one change per picture or window.
        change: How much they may change.

    Returns:
        uint8 of the same shape, new, and by how much each was shifted down and to the right, (B, 2) int64 [px].
    """
    count, *_, width, channels = pictures.shape
    changed = np.empty_like(pictures)
    shifts = rng.integers(-change.shift, change.shift + 1, (count, 2))
    for picture, target, shift in zip(pictures, changed, shifts.tolist(), strict=True):
        _shift(picture, target, *shift)
    if not change.brightness and not change.color and not change.contrast:
        return changed, shifts
    light = rng.uniform(1 - change.brightness, 1 + change.brightness, (count, 1))
    tint = rng.uniform(1 - change.color, 1 + change.color, (count, channels))
    gray = rng.uniform(0, change.contrast, (count, 1))
    fades = np.round(128 * 127.5 * gray).astype(np.uint16)
    factors = np.minimum(np.round(128 * light * tint * (1 - gray)), (65535 - fades) // 255)  # all fits into 16 bits
    # A factor for each byte of a row: with the three colors as an axis of their own it takes several times as long.
    rows = changed.reshape(*pictures.shape[:-2], width * channels)
    lit = rows * np.tile(factors.astype(np.uint16), width).reshape(count, *(1,) * (rows.ndim - 2), width * channels)
    lit += fades.reshape(count, *(1,) * (rows.ndim - 1))
    lit >>= 7
    np.minimum(lit, 255, out=rows, casting="unsafe")
    return changed, shifts


def drop_words(tokens: np.ndarray, rng: np.random.Generator, rate: float, padding: int, unknown: int) -> None:
    """Replace words of sentences by the unknown one, in place, so that a network reads on when it meets a new word.

    Args:
        tokens: (U, L) int64.
        rng: Draws which.
        rate: Probability of each word.
        padding: Token that stands for nothing.
        unknown: Token that stands for an unknown word.
    """
    tokens[(rng.random(tokens.shape) < rate) & (tokens != padding)] = unknown


def _shift(picture: np.ndarray, target: np.ndarray, down: int, right: int) -> None:
    """Copy a picture (..., H, W, 3), shifted, into another."""
    rows, columns = _span(down, picture.shape[-3]), _span(right, picture.shape[-2])
    target[..., rows.start : rows.stop, columns.start : columns.stop, :] = picture[
        ..., rows.start - down : rows.stop - down, columns.start - right : columns.stop - right, :
    ]
    inner = target[..., rows.start : rows.stop, :, :]
    if right > 0:
        inner[..., :right, :] = inner[..., right, None, :]
    elif right < 0:
        inner[..., right:, :] = inner[..., right - 1, None, :]
    if down > 0:
        target[..., :down, :, :] = target[..., down, None, :, :]
    elif down < 0:
        target[..., down:, :, :] = target[..., down - 1, None, :, :]


def _span(shift: int, length: int) -> slice:
    """Where a shifted picture covers the target."""
    return slice(max(shift, 0), length + min(shift, 0))
