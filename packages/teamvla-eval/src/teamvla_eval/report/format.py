"""Text formats of numbers for tables, the terminal and reports."""

_ASCII = str.maketrans({"–": "-", "−": "-", "·": "|", "…": "...", "�": "?"})


def percent(rate: float) -> str:
    """Format a rate as a percentage, such as 94%; with one decimal where rounding would hide that it is not 0 or 1."""
    rounded = f"{100 * rate:.0f}%"
    if rounded in ("0%", "100%") and rate not in (0.0, 1.0):
        return f"{100 * rate:.1f}%"
    return rounded


def interval(bounds: tuple[float, float]) -> str:
    """Format an interval of rates, such as 84–98%."""
    low, high = bounds
    return f"{percent(low).removesuffix('%')}–{percent(high)}"


def seconds(duration: float | None) -> str:
    """Format a duration [s], such as 5.6 s; None is a dash."""
    return "–" if duration is None else f"{duration:.1f} s"


def minutes_and_seconds(duration: float) -> str:
    """Format a longer duration [s], such as 45 s or 6 min 12 s."""
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def percent_points(difference: float) -> str:
    """Format a difference of two rates in percentage points with its sign, such as +4.0 or −12.5."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def p_value(probability: float) -> str:
    """Format a p-value with two significant digits, or as < 0.001."""
    return "< 0.001" if probability < 0.001 else f"{probability:.2g}"


def encodable(text: str, encoding: str) -> str:
    """Replace characters that an encoding lacks by ASCII signs or escapes.

    Args:
        text: Text to show.
        encoding: Encoding of the console, such as ``"utf-8"`` or ``"ascii"``.
    """
    if encoding.startswith("utf"):
        return text
    return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
