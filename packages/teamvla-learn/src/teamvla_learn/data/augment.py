"""ImageStore shifted and lit, and words left out, at random: a network should not learn the demonstrations by heart.

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
    shifts = rng.integers(-change.shift, change.shift + 1, (count, 2))
    changed = _shifted(pictures, shifts)
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


def _shifted(pictures: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return pictures (B, ..., H, W, 3) moved down and to the right by (B, 2) [px]."""
    *_, width, channels = pictures.shape
    moved = np.empty(pictures.shape, pictures.dtype)  # contiguous, whatever the pictures are
    offsets = (shifts @ (width * channels, channels)).tolist()
    # All bytes of a picture at once, as if it were one long row; what the edges get from beyond is put right below.
    for source, target, offset in zip(map(np.ravel, pictures), moved, offsets, strict=True):
        flat = target.reshape(-1)
        if offset >= 0:
            flat[offset:] = source[: len(source) - offset]
        else:
            flat[:offset] = source[-offset:]
    most = np.abs(shifts).max(initial=0)
    for axis, shift in ((-2, shifts[:, 1]), (-3, shifts[:, 0])):
        lines = np.moveaxis(moved, axis, 1)
        for line in reversed(range(most)):
            after, before = shift > line, shift < -line
            lines[after, line] = lines[after, line + 1]
            lines[before, -1 - line] = lines[before, -2 - line]
    return moved
