"""Console output in which names are printed literally; failures to write results are only warnings."""

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

logger = logging.getLogger(__name__)
_ANY_WIDTH = 100_000  # [characters]


def plain_console(stderr: bool = False, width: int | None = None) -> "Console":
    """Make a console that does not interpret markup in text, and raises BrokenPipeError for a closed pipe.

    Args:
        stderr: Whether it writes to standard error instead of standard output.
        width: Width in characters; by default that of the terminal.
    """
    from rich.console import Console

    class RaisingConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    return RaisingConsole(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def print_table(table: "Table") -> None:
    """Print a table; it is wider than the terminal if its longest words or unwrapped columns need it."""
    console = plain_console()
    options = console.options.update(max_width=_ANY_WIDTH)
    widest = []
    for column in table.columns:
        widths = [console.measure(cell, options=options) for cell in (column.header, *column.cells)]
        widest.append(max(width.maximum for width in widths))
        column.width = widest[-1] if column.no_wrap else max(width.minimum for width in widths)
    needed = console.measure(table, options=options).maximum
    spare = max(console.width - needed, 0)
    for column, width in zip(table.columns, widest, strict=True):
        added = min(width - (column.width or 0), spare)
        column.width, spare = (column.width or 0) + added, spare - added
    console.width = max(console.width, needed)
    console.print(table)


@contextmanager
def tolerant_stdout() -> Generator[None]:
    """Turn failures to write to standard output into one warning; characters that it cannot encode become ``?``."""
    reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None and sys.stdout.errors == "strict":
        reconfigure(errors="replace")
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, UnicodeError) as error:
        _discard_stdout()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warn(f"standard output is incomplete: {reason}")


def warn(message: str) -> None:
    """Log a warning; do nothing if standard error fails as well."""
    with contextlib.suppress(OSError, UnicodeError):
        logger.warning("warning: %s", message)


def _discard_stdout() -> None:
    """Redirect buffered and further output to the null device; else Python would report the failure again at exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
