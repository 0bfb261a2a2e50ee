"""The options of every ``teamvla`` command, from the signature and docstring of its function."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import tyro
from markdown import Argument, arguments, summary, table
from teamvla_envs.cli import find_commands


def command_sections() -> dict[str, str]:
    """Command name to Markdown, and ``overview``."""
    functions: dict[str, Any] = {name: entry.load() for name, entry in find_commands().items()}
    sections = {name: _options(function) for name, function in functions.items()}
    rows = [
        (f"[`teamvla {name}`](#teamvla-{name})", summary(function).rstrip(".")) for name, function in functions.items()
    ]
    return sections | {"overview": table(("command", "function"), rows)}


def _options(function: Any) -> str:
    rows = [(_option(argument), _default(argument), argument.meaning) for argument in _flat(function)]
    return f"{summary(function)}\n\n{table(('option', 'default', 'meaning'), rows)}"


def _flat(function: Any, nested: bool = False) -> Iterator[Argument]:
    """The arguments of a command, with those of its configuration in place of ``config``."""
    for argument in arguments(function):
        if dataclasses.is_dataclass(argument.annotation) and (nested or argument.name == "config"):
            yield from _flat(argument.annotation, nested=True)
        else:
            yield argument


def _option(argument: Argument) -> str:
    if argument.name == "settings":
        return "`--train.…`, `--model.…`"  # a nested dataclass; its options have tables of their own
    if _is_positional(argument):
        return f"`{argument.name.upper()}`"
    flag = argument.name.replace("_", "-")
    return f"`--{flag}`, `--no-{flag}`" if argument.annotation is bool else f"`--{flag}`"


def _default(argument: Argument) -> str:
    if argument.annotation is bool:
        return "on" if argument.default == "True" else "off"
    shown = argument.default.strip("()").replace("'", "").replace('"', "").rstrip(",")
    return f"`{shown}`" if shown not in ("", "None") else ""


def _is_positional(argument: Argument) -> bool:
    return tyro.conf.Positional in _markers(argument.annotation)


def _markers(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ()) if typing.get_origin(annotation) is typing.Annotated else ()
