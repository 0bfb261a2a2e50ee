"""Nested frozen dataclasses from JSON and YAML, checked strictly, and back."""

import difflib
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

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
}  # limits of the values that cost time instead of memory, and of the lengths of such lists

# PyYAML raises more than YAMLError: ValueError for month 13, KeyError for "!!bool x", RecursionError for deep nesting.
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Reads plain data; ``1e-3``, which YAML 1.1 reads as text, is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def from_json(kind: type[T], data: object, where: str) -> T:
    """Build a dataclass from parsed JSON, as ``dataclasses.asdict`` wrote it.

    Args:
        kind: The dataclass.
        data: Parsed JSON.
        where: Name of the data in error messages.

    Raises:
        ValueError: For a missing or unknown entry, or a value of another type; the message names the entry.
    """
    return _read(kind, data, where)


def read_layer(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings.

    Raises:
        UserError: When it is missing, not YAML, or not a mapping.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"cannot read config {path}: {error.strerror or error}") from error
    except _YAML_ERRORS as error:
        raise UserError(f"config {path} is not YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(f"config {path} is a {type(data).__name__}, expected names and values")
    return data


def apply_layer(settings: T, layer: Mapping[str, Any], where: str) -> T:
    """Return a dataclass with some of its fields replaced.

    Args:
        settings: The dataclass, whose fields may be dataclasses.
        layer: Field name to value, nested like the dataclass.
        where: Name of the layer in error messages.

    Raises:
        UserError: For an unknown name or a value of another type; the message names the entry.
    """
    try:
        return _read(type(settings), layer, where, settings)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error


def check_at_least(settings: Any, least: int, *names: str) -> None:
    """Check that fields of a dataclass are not too small.

    Raises:
        UserError: Naming the first one that is.
    """
    for name in names:
        if getattr(settings, name) < least:
            raise UserError(f"{name} is {getattr(settings, name)}, expected at least {least}")


def to_plain(settings: Any) -> Any:
    """Return a nested dataclass as dicts, lists and plain values, which :func:`apply_layer` reads back."""
    if is_dataclass(settings):
        return {field.name: to_plain(getattr(settings, field.name)) for field in fields(settings)}
    if isinstance(settings, Mapping):
        return {name: to_plain(value) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [to_plain(value) for value in settings]
    return settings


def leaves(plain: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Return nested plain values by their dotted names, such as ``train.budget.steps``."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        place = f"{name}.{key}" if name else key
        found |= leaves(value, place) if isinstance(value, Mapping) else {place: value}
    return found


def check_bounds(config: Any, where: str) -> None:
    """Check that a network with this configuration can be made and run in reasonable time.

    Memory needs no check: the weights are compared with the network before it is made.

    Args:
        config: A dataclass of numbers, texts, tuples and dataclasses.
        where: Its name in error messages.

    Raises:
        ValueError: Naming the entry and the largest allowed value.
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


def _read(kind: Any, data: object, where: str, base: Any = None) -> Any:
    """Return data as a value of a type; the entries that a dataclass lacks come from ``base``, if there is one."""
    if is_dataclass(kind):
        return _read_dataclass(kind, data, where, base)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _read_tuple(arguments, data, where)
    if origin is Mapping:
        if not isinstance(data, dict):
            raise ValueError(f"{where} is {shown(data)}, expected an object")
        return {str(name): _read(arguments[1], value, f"{where}.{name}") for name, value in data.items()}
    if origin is types.UnionType:
        if data is None and type(None) in arguments:
            return None
        (only,) = (option for option in arguments if option is not type(None))
        return _read(only, data, where)
    if origin is Literal:
        if not isinstance(data, str | int) or data not in arguments:
            raise ValueError(f"{where} is {shown(data)}, allowed are {', '.join(map(repr, arguments))}")
        return data
    if kind is float and type(data) is int:
        return float(data)
    if kind is not Any and type(data) is not kind:
        raise ValueError(f"{where} is {shown(data)}, expected {'a number' if kind is float else kind.__name__}")
    return data


def _read_dataclass(kind: Any, data: object, where: str, base: Any) -> Any:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is {shown(data)}, expected names and values")
    types_of = get_type_hints(kind)
    hints = {entry.name: types_of[entry.name] for entry in fields(kind)}
    changes: dict[str, Any] = {}
    for name, value in data.items():
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(hints)}"
            raise ValueError(f"{where} has the unknown name {shown(name)}: {hint}")
        inside = f"{where}: {name}" if base is not None and ": " not in where else f"{where}.{name}"
        current = getattr(base, name, None)
        nested = is_dataclass(current)  # of the field's type, or derived from it
        changes[name] = _read(type(current) if nested else hints[name], value, inside, current if nested else None)
    if base is None:
        needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
        if missing := needed - set(data):
            raise ValueError(f"{where} lacks {', '.join(sorted(missing))}")
        return kind(**changes)
    if changes and getattr(kind, "replaced_as_a_whole", False):
        changes = {entry.name: None for entry in fields(kind)} | changes
    return replace(base, **changes)


def _read_tuple(kinds: tuple[Any, ...], data: object, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list | tuple):
        raise ValueError(f"{where} is {shown(data)}, expected a list")
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(data)
    if len(kinds) != len(data):
        raise ValueError(f"{where} has {len(data)} entries, expected {len(kinds)}")
    return tuple(_read(kind, value, f"{where}[{i}]") for i, (kind, value) in enumerate(zip(kinds, data, strict=True)))
