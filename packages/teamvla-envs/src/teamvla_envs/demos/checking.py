"""Checks of a demonstration file that nobody vouches for: each says which demonstration is bad, and what is.

Only datasets that live inside the file are accepted: a link or an external dataset could read any file of
the machine.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.demos import schema
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    import h5py

_STORED_AS: dict[type, tuple[type, ...]] = {int: (np.integer,), bool: (np.bool_,), str: (str,)}
_BOUNDED = (schema.ACTIONS, schema.EXPERT_ACTIONS)  # in [-1, 1]
_FINITE = (schema.AGENT_POS, schema.ENVIRONMENT_STATE, schema.REWARDS)


class DemoFileError(UserError):
    """A file is no demonstration file or a damaged one; the message says which demo and what is bad."""


def child_group(parent: "h5py.Group", name: str) -> "h5py.Group":
    """Return a group inside another."""
    import h5py

    found = _child(parent, name)
    if not isinstance(found, h5py.Group):
        raise DemoFileError(f"{name} is not a group: this is no TeamVLA demonstration file")
    return found


def read_attributes(group: "h5py.Group", fields: tuple[schema.AttributeField, ...], where: str) -> dict[str, Any]:
    """Return a group's attributes as the Python types that the layout says.

    Args:
        group: The group whose attributes are read.
        fields: The attributes that it must have.
        where: What to call the group in an error.
    """
    values: dict[str, Any] = {}
    for field in fields:
        if field.name not in group.attrs:
            raise DemoFileError(f"{where}: attribute {field.name} is missing")
        value = group.attrs[field.name]
        if not isinstance(value, _STORED_AS[field.type]):
            raise DemoFileError(f"{where}: attribute {field.name} is {value!r}, expected {field.type.__name__}")
        values[field.name] = field.type(value)
    return values


def demo_names(data: "h5py.Group") -> list[str]:
    """Return the names ``demo_0``, ``demo_1``, … in the order of their numbers."""
    numbers = {}
    for name in data:
        number = name.removeprefix(schema.DEMO_PREFIX)
        if number == name or not number.isdecimal():
            raise DemoFileError(f"{schema.DATA}/{name} is not named demo_0, demo_1, …")
        numbers[name] = int(number)
    if not numbers:
        raise DemoFileError("it holds no demonstrations")
    return sorted(numbers, key=numbers.__getitem__)


def check_demo(name: str, group: "h5py.Group", num_samples: int) -> dict[str, schema.ArraySpec]:
    """Check the arrays of one demonstration and return the shape and dtype of each.

    Args:
        name: What to call it in an error.
        group: Its group.
        num_samples: T, as its attribute says.
    """
    specs: dict[str, schema.ArraySpec] = {}
    for path, dataset in walk_datasets(name, group):
        if dataset.is_virtual or dataset.external is not None:
            raise DemoFileError(f"{name}: {path} is stored outside of the file")
        specs[path] = (dataset.shape, dataset.dtype.name)
    problem = schema.find_problem(specs, num_samples)
    if problem:
        raise DemoFileError(f"{name}: {problem}")
    for path in (*_BOUNDED, *_FINITE):
        if path in specs:
            _check_numbers(name, path, read_array(name, group, path), bounded=path in _BOUNDED)
    return specs


def check_alike(specs: Mapping[str, Mapping[str, schema.ArraySpec]]) -> None:
    """Check that all demonstrations hold the same datasets, alike but for their lengths."""
    first, *others = specs
    for name in others:
        missing = specs[first].keys() ^ specs[name].keys()
        if missing:
            raise DemoFileError(f"{name}: {min(missing)} is in only one of {first} and {name}")
        for path, (shape, dtype) in specs[name].items():
            first_shape, first_dtype = specs[first][path]
            if (shape[1:], dtype) != (first_shape[1:], first_dtype):
                raise DemoFileError(
                    f"{name}: {path} has shape {shape} and dtype {dtype}, "
                    f"but in {first} {first_shape} and {first_dtype}"
                )


def read_names(file: "h5py.File", path: str, known: Mapping[str, Any]) -> list[str]:
    """Return the demonstration names that a dataset of ``mask`` lists."""
    import h5py

    found = file.get(path)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind != "S" or found.ndim != 1 or len(found) > len(known):
        raise DemoFileError(f"{path} is not a list of demonstration names")
    names = [name.decode(errors="replace") for name in found[()].tolist()]
    for name in names:
        if name not in known:
            raise DemoFileError(f"{path} names {name!r}, which is not in the file")
    return names


def read_array(name: str, group: "h5py.Group", path: str) -> np.ndarray:
    """Return a whole dataset of one demonstration."""
    try:
        return np.asarray(group[path][()])
    except OSError as error:
        raise DemoFileError(f"{name}: {path} cannot be read ({error})") from error


def walk_datasets(name: str, group: "h5py.Group", prefix: str = "") -> "Iterator[tuple[str, h5py.Dataset]]":
    """Yield every dataset below a group with its path."""
    import h5py

    for key in sorted(group):
        child = _child(group, key, name)
        if isinstance(child, h5py.Group):
            yield from walk_datasets(name, child, f"{prefix}{key}/")
        elif isinstance(child, h5py.Dataset):
            yield f"{prefix}{key}", child


def _child(parent: "h5py.Group", key: str, where: str = "file") -> Any:
    import h5py

    if not isinstance(parent.get(key, getlink=True), h5py.HardLink):
        problem = "is missing" if key not in parent else "is a link, which is not followed"
        raise DemoFileError(f"{where}: {key} {problem}: this is no TeamVLA demonstration file")
    return parent[key]


def _check_numbers(name: str, path: str, array: np.ndarray, bounded: bool) -> None:
    bad = ~np.isfinite(array)
    if bounded:
        bad |= np.abs(array) > 1.0
    if bad.any():
        index = tuple(np.argwhere(bad)[0].tolist())
        allowed = "numbers in [-1, 1]" if bounded else "finite numbers"
        raise DemoFileError(f"{name}: {path}{list(index)} is {array[index]}, expected {allowed}")
