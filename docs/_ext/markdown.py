"""Markdown from signatures and docstrings of Python objects, and Markdown tables."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from docstring_parser import DocstringStyle, parse


@dataclass(frozen=True)
class Argument:
    """One argument of a function or class: its name, default as Python source, and meaning in Markdown."""

    name: str
    default: str
    meaning: str
    annotation: Any


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def prose(docstring: str) -> str:
    """A docstring's reStructuredText as Markdown: roles become code, double backquotes stay code."""
    text = re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", docstring)
    return text.replace("``", "`")


def arguments(function: Callable[..., Any], documented: Callable[..., Any] | None = None) -> list[Argument]:
    """The arguments of a function, in order.

    Args:
        function: Function or class with the signature.
        documented: Object whose docstring has the ``Args`` section, if it is another one.

    Raises:
        ValueError: If an argument is not documented.
    """
    parsed = parse(inspect.getdoc(documented or function) or "", style=DocstringStyle.GOOGLE)
    meanings = {param.arg_name.lstrip("*"): param.description or "" for param in parsed.params}
    result = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        if not meanings.get(name):
            raise ValueError(f"{function.__qualname__} does not document {name}")
        default = "" if parameter.default is inspect.Parameter.empty else literal(parameter.default)
        result.append(Argument(name, default, prose(" ".join(meanings[name].split())), parameter.annotation))
    return result


def literal(value: object) -> str:
    """A default value as Python source."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def summary(thing: object) -> str:
    """The first paragraph of a docstring as Markdown, on one line."""
    return prose(" ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()))


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |"
