"""Names and texts in Markdown, LaTeX and CSV: what has a meaning there is escaped, line breaks become spaces."""

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
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # spreadsheets run cells that begin so


def single_line(text: str) -> str:
    """The text without line breaks and control characters."""
    return _BREAKS.sub(" ", text)


def markdown(text: str) -> str:
    """The text for a Markdown paragraph or table cell; also raw HTML is only text there."""
    text = "".join(_HTML.get(character, character) for character in single_line(text))
    return _MARKDOWN.sub(r"\\\g<0>", text)


def markdown_code(text: str) -> str:
    """The text as a Markdown code span, whatever backticks it has."""
    text = single_line(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, padding = "`" * (longest + 1), " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def latex(text: str) -> str:
    """The text for LaTeX."""
    escaped = "".join(_LATEX.get(character, character) for character in single_line(text))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would become a dash


def csv_cell(text: str) -> str:
    """The text for a CSV cell; one that a spreadsheet would run as a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text
