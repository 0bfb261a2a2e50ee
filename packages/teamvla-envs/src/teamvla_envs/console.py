"""The console: names are printed as they are, whatever brackets are in them, and are not broken at its edge."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ANY_WIDTH = 100_000


def plain_console(stderr: bool = False) -> Console:
    """Make a console that interprets nothing in a text as markup."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_table(table: Table) -> None:
    """Print a table; where a name is wider than the terminal, the table is as well."""
    console = plain_console()
    needed = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).minimum
    console.width = max(console.width, needed)
    console.print(table)
