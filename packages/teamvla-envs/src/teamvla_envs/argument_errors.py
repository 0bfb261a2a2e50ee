"""Argument errors of commands as one line, in place of tyro's boxes.

They come from a private hook of tyro: with a version that lacks it, the boxes stay.
"""

import difflib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from teamvla_envs.errors import UserError


def argument_errors(help_page: Callable[[], str]) -> AbstractContextManager[None]:
    """Turn argument errors of tyro, within a ``with`` block, into a UserError.

    Args:
        help_page: Returns the help page of the command, to suggest the nearest option for an unknown one.
    """
    try:
        from tyro._errors import on_parse_error
    except ImportError:
        return nullcontext()

    def refuse(event: Any) -> None:
        if message := _message(event, help_page):
            raise UserError(message)

    return on_parse_error(refuse)


def _message(event: Any, help_page: Callable[[], str]) -> str | None:
    """Describe an error in one line; None for one that is left to tyro."""
    kind = type(event).__name__
    if kind == "UnrecognizedArgs":
        return _unknown(event, event.tokens, help_page)
    if kind == "MissingArgs":
        if event.unrecognized_tokens:
            return _unknown(event, event.unrecognized_tokens, help_page)
        names = ", ".join(missing.arg.display_name() for missing in event.missing_arguments)
        return f"missing {names}; see {event.prog} --help"
    if kind == "InvalidChoice":
        return f"{event.argument.display_name()} is {event.value!r}, allowed are {', '.join(event.choices)}"
    if kind == "BadValue" and event.reason == "too_few_values":
        return f"{event.argument.display_name()} has too few values, expected {event.argument.lowered.metavar}"
    if kind == "InstantiationFailure":
        return event.message if event.argument is None else _wrong_type(event.argument, event.message)
    return None


def _unknown(event: Any, tokens: list[str], help_page: Callable[[], str]) -> str:
    options = [token.partition("=")[0] for token in tokens if token.startswith("--")]
    if not options:
        return f"unexpected argument {tokens[0]!r}; see {event.prog} --help"
    near = _nearest(options[0], help_page())
    return f"no option {options[0]}{f' (did you mean {near}?)' if near else ''}; see {event.prog} --help"


def _nearest(option: str, page: str) -> str | None:
    """Return the option of a help page whose name, or the last part of it, is the nearest to this one."""
    known = re.findall(r"--[a-z][\w.-]*\w", page)
    flags = {f"--{flag.rpartition('.')[2]}": flag for flag in known if "." in flag} | {flag: flag for flag in known}
    near = difflib.get_close_matches(option.replace("_", "-"), flags, n=1)
    return flags[near[0]] if near else None


def _wrong_type(argument: Any, message: str) -> str:
    """State the given value, which tyro quotes in a message of Python, and the expected type."""
    first = message.partition("\n")[0]
    given = re.search(r"'.*'", first)
    if given is None:
        return f"{argument.display_name()}: {first}"
    return f"{argument.display_name()} is {given[0]}, expected {argument.lowered.metavar}"
