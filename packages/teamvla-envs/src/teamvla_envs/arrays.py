"""Array namespace of numpy arrays and torch tensors, and operations that either library lacks."""

from functools import lru_cache
from typing import Any

import numpy as np


def array_namespace(array: Any) -> Any:
    """Namespace of an array of any shape: ``numpy``, or the one that ``array_api_compat`` finds (torch).

    ``array_api_compat.array_namespace`` takes 5 microseconds, and a step needs dozens of calls.
    """
    if isinstance(array, np.ndarray):
        return np
    import array_api_compat

    return array_api_compat.array_namespace(array)


def like(constant: Any, array: Any) -> Any:
    """Constant of any shape in the namespace of an array, on its device and in its dtype; numpy keeps its own dtype."""
    if isinstance(array, np.ndarray):
        return np.asarray(constant)
    numbers = np.asarray(constant)
    return _uploaded(numbers.tobytes(), numbers.dtype.str, numbers.shape, array.dtype, array.device)


def arange(count: int, array: Any) -> Any:
    """Integers below ``count``, shape ``(count,)``, in the namespace of an array and on its device."""
    if isinstance(array, np.ndarray):
        return np.arange(count)
    return array_namespace(array).arange(count, device=array.device)


@lru_cache(maxsize=256)
def _uploaded(numbers: bytes, kind: str, shape: tuple[int, ...], dtype: Any, device: Any) -> Any:
    """Cached torch tensor on a device."""
    import torch

    return torch.tensor(np.frombuffer(numbers, kind).reshape(shape), dtype=dtype, device=device)


def to_numpy(array: Any) -> np.ndarray:
    """Copy of an array of any shape on the host; a numpy array itself."""
    numbers: np.ndarray = array if isinstance(array, np.ndarray) else array.cpu().numpy()
    return numbers


def dot(a: Any, b: Any) -> Any:
    """Dot product ``(...)`` of arrays ``(..., n)``; with few worlds ``sum(a * b)`` takes five times as long."""
    return array_namespace(a).vecdot(a, b)


def stack_last(*parts: Any) -> Any:
    """Stack k arrays ``(...)`` along a new last axis to ``(..., k)``; ``stack`` takes twice as long."""
    return array_namespace(parts[0]).concat([part[..., None] for part in parts], axis=-1)
