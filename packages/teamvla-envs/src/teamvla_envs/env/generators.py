"""Random generators as arrays, so that they are part of an environment's saved state."""

import numpy as np

WORDS = 7
_MASK = (1 << 64) - 1


def to_words(generator: np.random.Generator | None) -> np.ndarray:
    """State of a PCG64 generator as uint64 numbers, shape ``(WORDS,)``; the first is 0 without a generator."""
    if generator is None:
        return np.zeros(WORDS, np.uint64)
    state = generator.bit_generator.state
    pcg = state["state"]
    numbers = [1, pcg["state"] >> 64, pcg["state"] & _MASK, pcg["inc"] >> 64, pcg["inc"] & _MASK]
    return np.array([*numbers, state["has_uint32"], state["uinteger"]], np.uint64)


def from_words(words: np.ndarray) -> np.random.Generator | None:
    """The generator with the state ``(WORDS,)`` that :func:`to_words` returned."""
    flag, high, low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in words)
    if not flag:
        return None
    bits = np.random.PCG64(0)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << 64 | low, "inc": inc_high << 64 | inc_low},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


def are_valid(words: np.ndarray) -> np.ndarray:
    """Mask of the rows of words ``(N, WORDS)`` uint64 that are valid results of :func:`to_words`, ``(N,)`` bool."""
    flag, inc_low, has_uint32, uinteger = words[:, 0], words[:, 4], words[:, 5], words[:, 6]
    one = np.uint64(1)
    # An even increment would halve the period: no generator has one.
    sound = (inc_low & one == one) & (has_uint32 <= one) & (uinteger < np.uint64(1 << 32))
    nothing: np.ndarray = (words == 0).all(-1)
    return nothing | ((flag == one) & sound)
