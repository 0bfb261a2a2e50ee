"""Checks of an untrusted demonstration file; errors name the demonstration and the fault.

They follow those of :mod:`teamvla_envs.demos.structure`. Text from the file is escaped and truncated in messages.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from teamvla_envs.demos import schema
from teamvla_envs.demos.structure import (
    DemoFileError,
    check_size,
    check_structure,
    check_total,
    damage_reported,
    is_images,
)
from teamvla_envs.outside import plain, shown

if TYPE_CHECKING:
    import h5py

__all__ = ["DemoFileError", "check_structure", "check_total", "damage_reported"]

_STORED_AS: dict[type, tuple[type, ...]] = {int: (np.integer,), bool: (np.bool_,), str: (str,)}
_BOUNDED = (schema.ACTIONS, schema.EXPERT_ACTIONS)  # in [-1, 1]
_FINITE = (schema.AGENT_POS, schema.ENVIRONMENT_STATE, schema.REWARDS)
_MAX_TEXT: Final = 4 << 20  # characters of an attribute
_MAX_NAME: Final = 64  # bytes of a demonstration's name
_DEMO_NAME: Final = re.compile(rf"{schema.DEMO_PREFIX}(0|[1-9][0-9]{{0,8}})", re.ASCII)


def child_group(parent: "h5py.Group", name: str) -> "h5py.Group":
    """Return a group inside another."""
    import h5py

    if name not in parent:
        raise DemoFileError(f"{plain(name)} is missing: this is no TeamVLA demonstration file")
    found = parent[name]
    if not isinstance(found, h5py.Group):
        raise DemoFileError(f"{plain(name)} is not a group: this is no TeamVLA demonstration file")
    return found


def read_attributes(group: "h5py.Group", fields: tuple[schema.AttributeField, ...], where: str) -> dict[str, Any]:
    """Return a group's attributes as the Python types of the layout.

    Args:
        group: The group whose attributes are read.
        fields: The attributes that it must have.
        where: Name of the group in error messages.
    """
    values: dict[str, Any] = {}
    for field in fields:
        if field.name not in group.attrs:
            raise DemoFileError(f"{where}: attribute {field.name} is missing")
        if shape := group.attrs.get_id(field.name).shape:
            raise DemoFileError(f"{where}: attribute {field.name} has shape {shape}, expected a single value")
        value = group.attrs[field.name]
        if not isinstance(value, _STORED_AS[field.type]):
            raise DemoFileError(f"{where}: attribute {field.name} is {shown(value)}, expected {field.type.__name__}")
        if isinstance(value, str):
            _check_text(value, f"{where}: attribute {field.name}")
        values[field.name] = field.type(value)
    return values


def demo_names(data: "h5py.Group") -> list[str]:
    """Return the names ``demo_0``, ``demo_1``, … in the order of their numbers."""
    numbers = {}
    for name in data:
        match = _DEMO_NAME.fullmatch(name)
        if match is None:
            raise DemoFileError(f"{schema.DATA}/{plain(name)} is not named demo_0, demo_1, …")
        numbers[name] = int(match[1])
    if not numbers:
        raise DemoFileError("it holds no demonstrations")
    return sorted(numbers, key=numbers.__getitem__)


def measure_demo(name: str, group: "h5py.Group", num_samples: int) -> tuple[dict[str, schema.ArraySpec], int]:
    """Check the layout of one demonstration, reading none of its arrays.

    Args:
        name: Its name in error messages.
        group: Its group.
        num_samples: Recorded T.

    Returns:
        Shape and dtype of each array of the layout, by path, and the memory that all of them take [bytes].
    """
    specs: dict[str, schema.ArraySpec] = {}
    size = 0
    for path, dataset in walk_datasets(group):
        if schema.find_field(path) is None:
            continue  # foreign datasets are ignored
        if dataset.shape is None:
            raise DemoFileError(f"{name}: {plain(path)} is empty")
        size += check_size(dataset, f"{name}: {plain(path)}", is_images(path))
        specs[path] = (dataset.shape, dataset.dtype.name)
    problem = schema.find_problem(specs, num_samples)
    if problem:
        raise DemoFileError(f"{name}: {plain(problem)}")
    return specs, size


def check_demo(name: str, group: "h5py.Group", specs: Mapping[str, schema.ArraySpec]) -> None:
    """Check that the numbers of a demonstration are finite, and its actions in [-1, 1].

    Args:
        name: Its name in error messages.
        group: Its group.
        specs: Its arrays, found to have the layout.
    """
    for path in (*_BOUNDED, *_FINITE):
        if path in specs:
            _check_numbers(name, path, read_array(name, group, path), bounded=path in _BOUNDED)


def check_same_arrays(specs: Mapping[str, Mapping[str, schema.ArraySpec]]) -> None:
    """Check that all demonstrations hold the same datasets, equal except for their lengths."""
    first, *others = specs
    for name in others:
        missing = specs[first].keys() ^ specs[name].keys()
        if missing:
            raise DemoFileError(f"{name}: {plain(min(missing))} is in only one of {first} and {name}")
        for path, (shape, dtype) in specs[name].items():
            first_shape, first_dtype = specs[first][path]
            if (shape[1:], dtype) != (first_shape[1:], first_dtype):
                raise DemoFileError(
                    f"{name}: {plain(path)} has shape {shape} and dtype {dtype}, "
                    f"but in {first} {first_shape} and {first_dtype}"
                )


def read_masks(file: "h5py.File", known: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the demonstrations of each split; no demonstration is listed twice."""
    masks = child_group(file, schema.MASK)
    splits: dict[str, list[str]] = {}
    listed: dict[str, str] = {}
    for split in schema.SPLITS:
        path = f"{schema.MASK}/{split}"
        splits[split] = _read_names(masks.get(split), path, len(known))
        for name in splits[split]:
            if name not in known:
                raise DemoFileError(f"{path} names {shown(name)}, which is not in the file")
            if name in listed:
                raise DemoFileError(f"{path} names {name}, which {listed[name]} names too; expected each once")
            listed[name] = path
    return splits


def read_array(name: str, group: "h5py.Group", path: str) -> np.ndarray:
    """Return a whole dataset of one demonstration, in the shape of ``schema.ARRAYS``."""
    with damage_reported(f"{name}: {plain(path)}"):
        return np.asarray(group[path][()])


def walk_datasets(group: "h5py.Group", prefix: str = "") -> "Iterator[tuple[str, h5py.Dataset]]":
    """Yield every dataset below a group of a checked file with its path."""
    import h5py

    for key in sorted(group):
        child = group[key]
        if isinstance(child, h5py.Group):
            yield from walk_datasets(child, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", child


def _read_names(found: Any, path: str, most: int) -> list[str]:
    import h5py

    if (
        not isinstance(found, h5py.Dataset)
        or found.dtype.kind != "S"
        or found.dtype.itemsize > _MAX_NAME
        or found.ndim != 1
        or len(found) > most
    ):
        raise DemoFileError(f"{path} is not a list of demonstration names")
    check_size(found, path, images=False)
    return [name.decode(errors="replace") for name in found[()].tolist()]


def _check_text(text: str, where: str) -> None:
    if len(text) > _MAX_TEXT:
        raise DemoFileError(f"{where} has {len(text)} characters, allowed are {_MAX_TEXT}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DemoFileError(f"{where} is not UTF-8 text") from None


def _check_numbers(name: str, path: str, array: np.ndarray, bounded: bool) -> None:
    bad = ~np.isfinite(array)
    if bounded:
        bad |= np.abs(array) > 1.0
    if bad.any():
        index = tuple(np.argwhere(bad)[0].tolist())
        allowed = "numbers in [-1, 1]" if bounded else "finite numbers"
        raise DemoFileError(f"{name}: {path}{list(index)} is {array[index]}, expected {allowed}")
