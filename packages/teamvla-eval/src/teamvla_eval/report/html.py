"""Self-contained HTML pages from the package's Jinja2 templates: all values are escaped, no scripts."""

import base64
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from teamvla_eval.metrics.failures import outcome
from teamvla_eval.report.format import interval, minutes_and_seconds, percent, seconds
from teamvla_eval.report.videos import poster

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, *, eyebrow: str, title: str, lead: str, footer: str, **values: Any) -> str:
    """Render a complete page in one file, for light and dark appearance.

    Args:
        template: Name of a template that extends ``page.html``.
        eyebrow: Line above the title.
        title: Headline.
        lead: One or two sentences below it.
        footer: Last line.
        values: Further values of the template; only ``markupsafe.Markup``, such as a plot, is taken as HTML.
    """
    page = _environment().get_template(template)
    return page.render(eyebrow=eyebrow, title=title, lead=lead, footer=footer, **values)


def read_template(name: str) -> str:
    """Read a file in ``templates``."""
    return files("teamvla_eval").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("teamvla_eval"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (interval, minutes_and_seconds, outcome, percent, seconds, _poster_url, _video_url)
    environment.filters |= {function.__name__.lstrip("_"): function for function in filters}
    return environment


def _video_url(mp4: bytes) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(mp4).decode('ascii')}"


def _poster_url(mp4: bytes) -> str | None:
    """Data URL of the first frame, which a browser shows until the video is played."""
    image = poster(mp4)
    return None if image is None else f"data:image/jpeg;base64,{base64.b64encode(image).decode('ascii')}"
