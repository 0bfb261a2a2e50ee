"""Frozen dataclasses from JSON, strictly: an entry too many, too few or of another type is an error."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def from_json(kind: type[T], data: object, where: str) -> T:
    """Build a dataclass from what ``dataclasses.asdict`` and JSON made of it.

    Args:
        kind: The dataclass.
        data: Parsed JSON.
        where: What to call the data in an error.

    Raises:
        ValueError: When the data is something else; the message names the entry.
    """
    return _read(kind, data, where)


def _read(kind: Any, data: object, where: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(data, Mapping):
            raise ValueError(f"{where} is {data!r}, expected an object")
        hints = get_type_hints(kind)
        if unknown := set(data) - set(hints):
            raise ValueError(f"{where} has unknown entries: {', '.join(sorted(map(str, unknown)))}")
        needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
        if missing := needed - set(data):
            raise ValueError(f"{where} lacks {', '.join(sorted(missing))}")
        make: Any = kind
        return make(**{name: _read(hints[name], value, f"{where}.{name}") for name, value in data.items()})
    if get_origin(kind) is tuple:
        return _read_tuple(get_args(kind), data, where)
    if get_origin(kind) is Mapping:
        return _read_mapping(get_args(kind)[1], data, where)
    if get_origin(kind) is types.UnionType:
        if data is None and type(None) in get_args(kind):
            return None
        (only,) = (option for option in get_args(kind) if option is not type(None))
        return _read(only, data, where)
    if get_origin(kind) is Literal:
        if data not in get_args(kind):
            raise ValueError(f"{where} is {data!r}, allowed are {', '.join(map(repr, get_args(kind)))}")
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is not Any and type(data) is not kind:
        raise ValueError(f"{where} is {data!r}, expected {kind.__name__}")
    return data


def _read_mapping(kind: Any, data: object, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{where} is {data!r}, expected an object")
    return {str(name): _read(kind, value, f"{where}.{name}") for name, value in data.items()}


def _read_tuple(kinds: tuple[Any, ...], data: object, where: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise ValueError(f"{where} is {data!r}, expected a list")
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(data)
    if len(kinds) != len(data):
        raise ValueError(f"{where} has {len(data)} entries, expected {len(kinds)}")
    return tuple(_read(kind, value, f"{where}[{i}]") for i, (kind, value) in enumerate(zip(kinds, data, strict=True)))
