"""The array namespace of an array, at the price of one type check for numpy."""

from functools import lru_cache
from typing import Any

import numpy as np


def array_namespace(array: Any) -> Any:
    """``numpy`` for numpy arrays, otherwise what ``array_api_compat`` finds (torch).

    ``array_api_compat.array_namespace`` costs 5 microseconds a call; a step makes dozens of them.
    """
    if isinstance(array, np.ndarray):
        return np
    import array_api_compat

    return array_api_compat.array_namespace(array)


def like(constant: Any, array: Any) -> Any:
    """Constant numbers in the namespace of an array, on its device and in its dtype; numpy keeps its own dtype."""
    if isinstance(array, np.ndarray):
        return np.asarray(constant)
    numbers = np.asarray(constant)
    return _uploaded(numbers.tobytes(), numbers.dtype.str, numbers.shape, array.dtype, array.device)


def arange(count: int, array: Any) -> Any:
    """The integers below ``count``, in the namespace of an array and on its device."""
    if isinstance(array, np.ndarray):
        return np.arange(count)
    return array_namespace(array).arange(count, device=array.device)


@lru_cache(maxsize=256)
def _uploaded(numbers: bytes, kind: str, shape: tuple[int, ...], dtype: Any, device: Any) -> Any:
    """A torch tensor of these numbers, sent to the device once."""
    import torch

    return torch.tensor(np.frombuffer(numbers, kind).reshape(shape), dtype=dtype, device=device)


def to_numpy(array: Any) -> np.ndarray:
    """The numbers of an array on the host."""
    numbers: np.ndarray = array if isinstance(array, np.ndarray) else array.cpu().numpy()
    return numbers


def dot(a: Any, b: Any) -> Any:
    """Sum of products over the last axis; with few worlds ``sum(a * b)`` costs five times as much."""
    return array_namespace(a).vecdot(a, b)


def stack_last(*parts: Any) -> Any:
    """Arrays of one shape side by side on a new last axis; ``stack`` costs twice as much."""
    return array_namespace(parts[0]).concat([part[..., None] for part in parts], axis=-1)
