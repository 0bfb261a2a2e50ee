"""The settings of a training, one table per group, from the dataclasses that they are."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from docstring_parser import DocstringStyle, parse
from markdown import prose, table
from teamvla_learn.train.settings import Settings


def settings_sections() -> dict[str, str]:
    """Section name to Markdown."""
    groups = {"model": Settings().model, "train": Settings().train}
    return {name: table(_HEADER, _rows(group, f"{name}.")) for name, group in groups.items()} | {
        "top": table(_HEADER, _rows(Settings(), "", nested=False))
    }


_HEADER = ("option", "default", "meaning")


def _rows(settings: Any, prefix: str, nested: bool = True) -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(type(settings), include_extras=True)
    described = parse(type(settings).__doc__ or "", style=DocstringStyle.GOOGLE)
    meanings = {param.arg_name: " ".join((param.description or "").split()) for param in described.params}
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{prefix}{field.name}"
        if is_dataclass(value):
            yield from _rows(value, f"{name}.") if nested else ()
            continue
        flags = [f"--{name.replace('_', '-')}", *_aliases(hints[field.name])]
        yield ", ".join(f"`{flag}`" for flag in flags), _shown(value), prose(meanings[field.name])


def _aliases(hint: Any) -> tuple[str, ...]:
    return tuple(alias for marker in get_args(hint)[1:] for alias in getattr(marker, "aliases", None) or ())


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{' '.join(map(str, value)) if isinstance(value, tuple) else value}`"
