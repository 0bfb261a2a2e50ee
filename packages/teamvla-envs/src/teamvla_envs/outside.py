"""Untrusted text and JSON: limited in size before parsing, and escaped before printing."""

import json
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from teamvla_envs.errors import UserError

MAX_JSON_BYTES: Final = 64 << 20
MAX_JSON_DEPTH: Final = 64  # levels of nesting
_SHOWN: Final = 80  # characters of a foreign value in a message

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _SHOWN


def shown(value: object) -> str:
    """Format an untrusted value for a message: on one line, without control characters, and truncated."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[: _SHOWN - 1]}…")
    try:
        return plain(_repr.repr(value))
    except ValueError:  # a number with more digits than Python prints
        return f"a long {type(value).__name__}"


def plain(text: str) -> str:
    """Format an untrusted text, such as a path in a file or an error of a library, for a message, without quotes."""
    cut = text if len(text) <= 3 * _SHOWN else f"{text[: 3 * _SHOWN - 1]}…"
    return "".join(
        character if character.isprintable() else " " if character.isspace() else ascii(character)[1:-1]
        for character in cut
    )


def parse_json(text: str | bytes, where: str) -> Any:
    """Parse untrusted JSON.

    Args:
        text: The JSON.
        where: Its name in error messages.

    Raises:
        UserError: When it is too long, nested too deep or not JSON; the message does not quote it.
    """
    if len(text) > MAX_JSON_BYTES:
        raise UserError(f"{where} is longer than the {MAX_JSON_BYTES >> 20} MiB allowed for JSON")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise UserError(f"{where} is nested deeper than the {MAX_JSON_DEPTH} levels allowed for JSON") from None
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{where} is not JSON{place}") from error
    _check_depth(value, where)
    return value


def read_json(path: Path) -> Any:
    """Read an untrusted JSON file.

    Raises:
        OSError: When it cannot be read.
        UserError: When it is no regular file, too long, nested too deep or not JSON.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a regular file")
    with path.open("rb") as file:
        content = file.read(MAX_JSON_BYTES + 1)
    return parse_json(content, str(path))


def _refuse(constant: str) -> None:
    raise UserError(f"{constant} is no JSON")


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [child for container in level for child in _children(container)]
        if not level:
            return
    raise UserError(f"{where} is nested deeper than the {MAX_JSON_DEPTH} levels allowed for JSON")


def _children(container: Any) -> Iterable[Any]:
    inside = container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
    return [child for child in inside if isinstance(child, (dict, list))]
