"""Checks of single values that were read from a file."""

import re
from collections.abc import Callable
from typing import Any

MAX_TEXT = 4_000  # [characters]
MAX_NUMBER = 1e100  # sums and squares of larger ones overflow
MAX_COUNT = 2**63 - 1
SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold unpaired ones, no file can

Check = Callable[[Any], str | None]  # expected kind of value; None for a valid value


def text(value: Any) -> str | None:
    """Check a text of bounded length."""
    good = isinstance(value, str) and len(value) <= MAX_TEXT and not SURROGATE.search(value)
    return None if good else f"text of at most {MAX_TEXT} characters"


def boolean(value: Any) -> str | None:
    """Check a truth value."""
    return None if isinstance(value, bool) else "true or false"


def count(value: Any) -> str | None:
    """Check a whole number that is not negative."""
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
    return None if good else "a whole number that is not negative"


def number(value: Any) -> str | None:
    """Check a finite number."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and -MAX_NUMBER <= value <= MAX_NUMBER
    return None if good else "a finite number"


def amount(value: Any) -> str | None:
    """Check a number that is not negative."""
    return None if number(value) is None and value >= 0 else "a finite number that is not negative"


def share(value: Any) -> str | None:
    """Check a number from 0 to 1."""
    return None if number(value) is None and 0 <= value <= 1 else "a number in [0, 1]"


def amounts(value: Any) -> str | None:
    """Check a list of numbers that are not negative."""
    return None if isinstance(value, list) and not any(map(amount, value)) else "a list of numbers"


def interval(value: Any) -> str | None:
    """Check an interval of shares."""
    good = isinstance(value, list) and len(value) == 2 and not any(map(share, value)) and value[0] <= value[1]
    return None if good else "[low, high] in [0, 1]"


def mapping(value: Any) -> str | None:
    """Check an object."""
    return None if isinstance(value, dict) else "an object"


def sequence(value: Any) -> str | None:
    """Check a list."""
    return None if isinstance(value, list) else "a list"


def texts(value: Any) -> str | None:
    """Check an object whose values are texts."""
    good = isinstance(value, dict) and not any(map(text, value.values()))
    return None if good else "an object of texts"


def or_null(check: Check) -> Check:
    """Check that also accepts null."""

    def either(value: Any) -> str | None:
        expected = None if value is None else check(value)
        return f"{expected}, or null" if expected else None

    return either
