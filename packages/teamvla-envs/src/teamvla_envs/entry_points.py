"""Objects that installed distributions offer through entry points, loaded when they are first needed."""

import importlib.metadata
from importlib.metadata import EntryPoint
from typing import Protocol, TypeVar

from teamvla_envs.errors import UserError


class Named(Protocol):
    """Anything that knows its own name."""

    @property
    def name(self) -> str:
        """Name, equal to that of the entry point."""
        ...


T = TypeVar("T", bound=Named)


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name; nothing is imported to find them."""
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=group)}


def load(entry: EntryPoint, kind: type[T], what: str) -> T:
    """Import the object that an entry point names.

    Args:
        entry: The entry point.
        kind: Class of the object.
        what: Word for such an object in error messages, e.g. ``"robot"``.

    Returns:
        The object.

    Raises:
        ValueError: It cannot be imported, is of another class, or has another name than its entry point.
    """
    where = f"{what} {entry.name!r}: entry point {entry.value!r} of group {entry.group!r}"
    try:
        thing = entry.load()
    except Exception as error:
        raise UserError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(thing, kind):
        raise UserError(f"{where} is a {type(thing).__name__}, expected a {kind.__name__}")
    if thing.name != entry.name:
        raise UserError(f"{where} is a {what} named {thing.name!r}, expected {entry.name!r}")
    return thing
