"""Console output in which names are printed literally, brackets included, and are never wrapped."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ANY_WIDTH = 100_000


def plain_console(stderr: bool = False) -> Console:
    """Make a console that does not interpret markup in text."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_table(table: Table) -> None:
    """Print a table; it is wider than the terminal where a name is."""
    console = plain_console()
    needed = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).minimum
    console.width = max(console.width, needed)
    console.print(table)
