"""Checks of single values that were read from a file."""

import re
from collections.abc import Callable
from typing import Any

MAX_TEXT = 4_000  # [characters]
MAX_NUMBER = 1e100  # sums and squares of larger ones overflow
MAX_COUNT = 2**63 - 1
SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold unpaired ones, no file can

Check = Callable[[Any], str | None]  # expected kind of value; None for a valid value


def _check(expected: str, is_valid: Callable[[Any], bool]) -> Check:
    return lambda value: None if is_valid(value) else expected


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and not SURROGATE.search(value)


text = _check(f"text of at most {MAX_TEXT} characters", _is_text)
boolean = _check("true or false", lambda value: isinstance(value, bool))
count = _check("a whole number that is not negative", _is_count)
number = _check("a finite number", _is_number)
amount = _check("a finite number that is not negative", lambda value: _is_number(value) and value >= 0)
share = _check("a number in [0, 1]", lambda value: _is_number(value) and 0 <= value <= 1)
amounts = _check("a list of numbers", lambda value: isinstance(value, list) and not any(map(amount, value)))
mapping = _check("an object", lambda value: isinstance(value, dict))
sequence = _check("a list", lambda value: isinstance(value, list))
texts = _check("an object of texts", lambda value: isinstance(value, dict) and all(map(_is_text, value.values())))


def interval(value: Any) -> str | None:
    """Check an interval of shares."""
    good = isinstance(value, list) and len(value) == 2 and not any(map(share, value)) and value[0] <= value[1]
    return None if good else "[low, high] in [0, 1]"


def or_null(check: Check) -> Check:
    """Check that also accepts null."""

    def either(value: Any) -> str | None:
        expected = None if value is None else check(value)
        return f"{expected}, or null" if expected else None

    return either
