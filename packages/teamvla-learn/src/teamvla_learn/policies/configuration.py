"""Frozen dataclasses from JSON, strictly: an entry too many, too few or of another type is an error."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from teamvla_envs.outside import plain, shown

T = TypeVar("T")

MOST_ENTRIES = 10_000  # of a list in a configuration
MOST: dict[str, int] = {
    "layers": 64,
    "rounds": 64,
    "flow_steps": 1000,
    "num_arms": 64,
    "cameras": 64,
    "channels": 64,
    "hidden_sizes": 64,
}  # numbers that a network takes time for, not memory, and lengths of such lists


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


def check_bounds(config: Any, where: str) -> None:
    """Refuse a configuration whose network would take hours to make or to run.

    Its memory needs no check: it is that of the weights, which are compared with the network before it is made.

    Args:
        config: A dataclass of numbers, texts, tuples and dataclasses.
        where: What to call it in an error.

    Raises:
        ValueError: Naming the entry and the largest value allowed.
    """
    for entry in fields(config):
        value, name = getattr(config, entry.name), f"{where}.{entry.name}"
        if is_dataclass(value):
            check_bounds(value, name)
        elif isinstance(value, tuple):
            if len(value) > (most := MOST.get(entry.name, MOST_ENTRIES)):
                raise ValueError(f"{name} has {len(value)} entries, allowed are {most}")
        elif isinstance(value, int) and value > MOST.get(entry.name, value):
            raise ValueError(f"{name} is {value}, allowed are at most {MOST[entry.name]}")


def _read(kind: Any, data: object, where: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(data, Mapping):
            raise ValueError(f"{where} is {shown(data)}, expected an object")
        hints = get_type_hints(kind)
        if unknown := set(data) - set(hints):
            raise ValueError(f"{where} has unknown entries: {plain(', '.join(sorted(map(str, unknown))))}")
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
        if not isinstance(data, str | int) or data not in get_args(kind):
            raise ValueError(f"{where} is {shown(data)}, allowed are {', '.join(map(repr, get_args(kind)))}")
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is not Any and type(data) is not kind:
        raise ValueError(f"{where} is {shown(data)}, expected {kind.__name__}")
    return data


def _read_mapping(kind: Any, data: object, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{where} is {shown(data)}, expected an object")
    return {str(name): _read(kind, value, f"{where}.{name}") for name, value in data.items()}


def _read_tuple(kinds: tuple[Any, ...], data: object, where: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise ValueError(f"{where} is {shown(data)}, expected a list")
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(data)
    if len(kinds) != len(data):
        raise ValueError(f"{where} has {len(data)} entries, expected {len(kinds)}")
    return tuple(_read(kind, value, f"{where}[{i}]") for i, (kind, value) in enumerate(zip(kinds, data, strict=True)))
