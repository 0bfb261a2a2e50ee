"""Layers of settings: a YAML file changes some fields of a nested dataclass, and what it cannot change is an error."""

import difflib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml
from teamvla_envs.errors import UserError

from teamvla_learn.train.schedule import Budget

T = TypeVar("T")

# PyYAML raises more than YAMLError: ValueError for month 13, KeyError for "!!bool x", RecursionError for deep nesting.
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)


def read_layer(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings; never more than plain data.

    Raises:
        UserError: When it is missing, no YAML, or no mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
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
    """Return a dataclass with some of its fields changed.

    Args:
        settings: The dataclass, whose fields may be dataclasses again.
        layer: Field name to value, nested alike.
        where: What to call the layer in an error.

    Raises:
        UserError: For an unknown name, with the nearest known one, and for a value of another type.
    """
    hints = get_type_hints(type(settings))
    changes: dict[str, Any] = {}
    for name, value in layer.items():
        if name not in hints:
            near = difflib.get_close_matches(str(name), hints, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(hints)}"
            raise UserError(f"{where} has the unknown name {name!r}: {hint}")
        inside = f"{where}: {name}" if ": " not in where else f"{where}.{name}"
        current = getattr(settings, name)
        if is_dataclass(current):
            if not isinstance(value, dict):
                raise UserError(f"{inside} is {value!r}, expected names and values")
            changes[name] = apply_layer(current, value, inside)
        else:
            changes[name] = _convert(hints[name], value, inside)
    if isinstance(settings, Budget) and changes:
        changes = {"steps": None, "minutes": None} | changes
    changed: Any = settings
    return replace(changed, **changes)


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


def _convert(kind: Any, value: object, where: str) -> Any:
    """Return a value of YAML as the type of a field."""
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise UserError(f"{where} is {value!r}, allowed are {', '.join(map(repr, get_args(kind)))}")
    if get_origin(kind) is types.UnionType:
        if value is None and type(None) in get_args(kind):
            return None
        (only,) = (option for option in get_args(kind) if option is not type(None))
        return _convert(only, value, where)
    if get_origin(kind) is tuple:
        return _convert_tuple(get_args(kind), value, where)
    if kind is float and isinstance(value, str):
        value = _number(value)  # YAML reads 1e-3, without a point, as a word
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UserError(f"{where} is {value!r}, expected {'a number' if kind is float else kind.__name__}")
    return value


def _convert_tuple(kinds: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise UserError(f"{where} is {value!r}, expected a list")
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise UserError(f"{where} has {len(value)} entries, expected {len(kinds)}")
    return tuple(_convert(kind, part, f"{where}[{i}]") for i, (kind, part) in enumerate(zip(kinds, value, strict=True)))


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
