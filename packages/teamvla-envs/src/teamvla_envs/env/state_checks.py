"""Checks of a saved state, made as a whole before any of its arrays is used."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from teamvla_envs.arguments import LARGEST_SEED
from teamvla_envs.env import generators
from teamvla_envs.errors import UserError
from teamvla_envs.sim.simulator import FASTEST

_LARGEST_COUNT = 2**31
_LARGEST_FIELD = 1e6
_CATEGORIES = 64  # a whole number with more values than these is not taken for an index
_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "fiu"}  # kinds of numbers that can stand for one another
_FIELD_RANGES = {
    "geom_rgba": (0.0, 1.0), "body_mass": (1e-6, _LARGEST_FIELD), "body_inertia": (1e-12, _LARGEST_FIELD),
    "geom_size": (1e-6, _LARGEST_FIELD), "gain": (1e-6, _LARGEST_FIELD), "friction": (0.0, _LARGEST_FIELD),
    "camera_fovy": (-45.0, 45.0), "light": (-1.0, 1.0), "tint": (-1.0, 1.0),
}  # fmt: skip
Range = tuple[Any, Any]


def fact_ranges(starts: Mapping[str, np.ndarray]) -> dict[str, Range]:
    """Least and largest values of facts over many initial states, with a margin for continuous ones.

    Args:
        starts: Facts of many initial states, first axis n.
    """
    ranges = {}
    for key, values in starts.items():
        if values.dtype.kind == "f":
            low, high = values.min(), values.max()
            margin = 1.0 + high - low
            ranges[key] = (low - margin, high + margin)
        elif values.dtype.kind in "iu":
            low, high = values.min(axis=0), values.max(axis=0)
            if int(np.max(high)) - int(np.min(low)) < _CATEGORIES:
                ranges[key] = (low, high)
    return ranges


def check_mask(mask: Any, num_envs: int) -> np.ndarray:
    """Indices of the worlds of a mask; all of them for ``None``.

    Raises:
        UserError: If it is not ``(N,)`` bool.
    """
    if mask is None:
        return np.arange(num_envs)
    array = np.asarray(mask)
    if array.shape != (num_envs,) or array.dtype != bool:
        raise UserError(f"mask: got {array.dtype} {array.shape}, expected bool ({num_envs},)")
    return np.flatnonzero(array)


def check_state(
    state: Any,
    present: Mapping[str, np.ndarray],
    rows: np.ndarray,
    ranges: Mapping[str, Range],
    quaternions: np.ndarray,
) -> dict[str, np.ndarray]:
    """Check a saved state and convert it to arrays of the right dtypes.

    Args:
        state: Named arrays from a user.
        present: The environment's present state, for names, shapes and dtypes.
        rows: Worlds that will be set; rows of other worlds are not checked.
        ranges: Least and largest values by name, each a number or an array of the shape of one world.
        quaternions: Columns of the quaternions in ``physics``, shape ``(B, 4)``.

    Raises:
        UserError: If an array is missing or unknown, has the wrong shape or dtype, or holds impossible values;
            the message names the array, and the world if it is a single one.
    """
    if not isinstance(state, Mapping):
        raise UserError(f"state: got {type(state).__name__}, expected a mapping of names to arrays as of get_state()")
    if set(state) != set(present):
        raise UserError(f"state: wrong names {sorted(map(str, set(state) ^ set(present)))}")
    arrays = {key: _as_array(key, state[key], values) for key, values in present.items()}
    for key, array in arrays.items():
        _check_values(key, array, rows, ranges.get(key) or _range(key, array))
    with np.errstate(over="ignore"):
        norms = np.sqrt((arrays["physics"][:, quaternions] ** 2).sum(-1))
    _require(np.abs(norms - 1) < 0.01, "physics", rows, "a body's quaternion is not of unit length")
    _require(arrays["physics"][:, 0] >= 0, "physics", rows, "the time is negative")
    _require(arrays["held"] <= arrays["steps"], "held", rows, "it exceeds 'steps'")
    words = arrays["generator"]
    _require(generators.are_valid(words), "generator", rows, "these are not the words of a PCG64 generator")
    return arrays


def _range(key: str, array: np.ndarray) -> Range | None:
    """Least and largest values of an array that has no range of its own."""
    if array.dtype.kind != "f":
        return {"held": (0, _LARGEST_COUNT), "steps": (0, _LARGEST_COUNT), "seed": (-1, LARGEST_SEED)}.get(key)
    if key.startswith("field."):
        field = key.split(".")[1]
        return _FIELD_RANGES.get(field, (-_LARGEST_FIELD, _LARGEST_FIELD))
    if key == "contacts":
        return 0.0, FASTEST
    return -FASTEST, FASTEST


def _as_array(key: str, given: Any, present: np.ndarray) -> np.ndarray:
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise UserError(f"state[{key!r}]: not an array of numbers: {error}") from error
    if array.shape != present.shape:
        raise UserError(f"state[{key!r}]: got shape {array.shape}, expected {present.shape}")
    if array.dtype.kind not in _KINDS[present.dtype.kind]:
        raise UserError(f"state[{key!r}]: got dtype {array.dtype}, expected {present.dtype}")
    if array.dtype == present.dtype:
        return array
    with np.errstate(over="ignore"):
        converted = array.astype(present.dtype)
    if present.dtype.kind in "iu" and not np.array_equal(converted, array):
        raise UserError(f"state[{key!r}]: got numbers beyond {present.dtype}")
    return converted


def _check_values(key: str, array: np.ndarray, rows: np.ndarray, limits: Range | None) -> None:
    if limits is None:
        return
    low, high = limits
    if ((array >= low) & (array <= high)).all():  # false for NaN
        return
    _require(np.isfinite(array), key, rows, "it is not finite")
    _require(array >= low, key, rows, f"it is below {np.min(low)}")
    _require(array <= high, key, rows, f"it is above {np.max(high)}")


def _require(holds: Any, key: str, rows: np.ndarray, fault: str) -> None:
    """Raise unless something holds for all rows."""
    if holds.all():
        return
    held = holds.reshape(len(holds), -1).all(-1)[rows]
    if not held.all():
        raise UserError(f"state[{key!r}] of world {int(rows[np.argmin(held)])}: {fault}")
