"""The frame of every HTML page that TeamVLA writes: one file, no scripts, nothing from outside, light and dark."""

from html import escape
from importlib.resources import files
from string import Template


def render_page(eyebrow: str, title: str, lead: str, body: str, footer: str) -> str:
    """A complete page.

    Args:
        eyebrow: Line above the title; text.
        title: Headline; text.
        lead: One or two sentences below it; text.
        body: HTML.
        footer: Last line; text.
    """
    texts = {"eyebrow": eyebrow, "title": title, "lead": lead, "footer": footer}
    return Template(read_template("page.html")).substitute(
        {name: escape(text) for name, text in texts.items()}, style=read_template("style.css"), body=body
    )


def read_template(name: str) -> str:
    """The text of a file in ``templates``."""
    return files("teamvla_eval").joinpath("templates", name).read_text(encoding="utf-8")


def html_table(head: list[str], rows: list[list[str]], numeric: int = 0) -> str:
    """A table of texts.

    Args:
        head: Titles of the columns.
        rows: Cells, row by row; they are escaped.
        numeric: From this column on cells are aligned to the right.
    """

    def row(cells: list[str], tag: str) -> str:
        marked = (f"<{tag}{' class=number' if i >= numeric else ''}>{escape(c)}</{tag}>" for i, c in enumerate(cells))
        return f"<tr>{''.join(marked)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="scroll"><table><thead>{row(head, "th")}</thead><tbody>{body}</tbody></table></div>'
