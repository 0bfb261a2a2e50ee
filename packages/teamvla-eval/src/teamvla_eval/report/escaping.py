"""Escaping of names and texts for Markdown, LaTeX and CSV; line breaks become spaces."""

import re

_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKDOWN = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")  # underscores inside of words have no meaning
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row it would begin an option
    "]": "{]}",
    "*": "{*}",
} | {character: f"\\{character}" for character in "&%$#_{}"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # beginnings of formulas in spreadsheets


def single_line(text: str) -> str:
    """Replace line breaks and control characters by spaces."""
    return _BREAKS.sub(" ", text)


def markdown(text: str) -> str:
    """Escape text for a Markdown paragraph or table cell, HTML included."""
    text = "".join(_HTML.get(character, character) for character in single_line(text))
    return _MARKDOWN.sub(r"\\\g<0>", text)


def markdown_code(text: str) -> str:
    """Make a Markdown code span; the text may contain backticks."""
    text = single_line(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, padding = "`" * (longest + 1), " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    escaped = "".join(_LATEX.get(character, character) for character in single_line(text))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would become a dash


def csv_cell(text: str) -> str:
    """Escape text for a CSV cell: an apostrophe precedes whatever a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
