"""Random augmentation of images (shift, brightness, color, contrast) and instructions (word dropout).

Random shifts: Kostrikov, Yarats, Fergus, "Image augmentation is all you need" (ICLR 2021).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """Strength of the augmentation.

    Attributes:
        shift: Largest shift in either direction [px].
        brightness: Largest relative change of brightness.
        color: Largest relative change of red, green and blue against each other; too small to turn one named color into
            another.
        contrast: Largest fraction of medium gray that is mixed in.
        word_dropout: Probability that a word of an instruction is replaced by the unknown word.
    """

    shift: int = 0
    brightness: float = 0.0
    color: float = 0.0
    contrast: float = 0.0
    word_dropout: float = 0.0


def augment(images: np.ndarray, rng: np.random.Generator, change: Augmentation) -> tuple[np.ndarray, np.ndarray]:
    """Shift images, scale brightness and colors, and mix in gray; shifted-in pixels repeat the edge.

    Args:
        images: (B, H, W, 3) uint8, or (B, T, H, W, 3) with equal changes for the T images of a window.
        rng: Generator; draws one change per image or window.
        change: Strength of the augmentation.

    Returns:
        A new array of the same shape and type, and the shifts down and to the right, (B, 2) int64 [px].
    """
    count, *_, width, channels = images.shape
    shifts = rng.integers(-change.shift, change.shift + 1, (count, 2))
    changed = _shifted(images, shifts)
    if not change.brightness and not change.color and not change.contrast:
        return changed, shifts
    light = rng.uniform(1 - change.brightness, 1 + change.brightness, (count, 1))
    tint = rng.uniform(1 - change.color, 1 + change.color, (count, channels))
    gray = rng.uniform(0, change.contrast, (count, 1))
    fades = np.round(128 * 127.5 * gray).astype(np.uint16)
    factors = np.minimum(np.round(128 * light * tint * (1 - gray)), (65535 - fades) // 255)  # products fit into 16 bits
    # One factor per byte of a row: several times faster than with the three colors as a separate axis.
    rows = changed.reshape(*images.shape[:-2], width * channels)
    lit = rows * np.tile(factors.astype(np.uint16), width).reshape(count, *(1,) * (rows.ndim - 2), width * channels)
    lit += fades.reshape(count, *(1,) * (rows.ndim - 1))
    lit >>= 7
    np.minimum(lit, 255, out=rows, casting="unsafe")
    return changed, shifts


def drop_words(tokens: np.ndarray, rng: np.random.Generator, rate: float, padding: int, unknown: int) -> None:
    """Replace random words by the unknown word, in place, which makes a network robust to new words.

    Args:
        tokens: (U, L) int64.
        rng: Generator.
        rate: Probability of replacing a word.
        padding: Padding token.
        unknown: Token of the unknown word.
    """
    tokens[(rng.random(tokens.shape) < rate) & (tokens != padding)] = unknown


def _shifted(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return images (B, ..., H, W, 3) shifted down and to the right by (B, 2) [px]."""
    *_, width, channels = images.shape
    moved = np.empty(images.shape, images.dtype)  # contiguous even if the images are not
    offsets = (shifts @ (width * channels, channels)).tolist()
    # Shift all bytes of an image as one long row; the wrong pixels at the edges are replaced below.
    for source, target, offset in zip(map(np.ravel, images), moved, offsets, strict=True):
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
