"""Plots of the reports as SVG elements that take their colors and fonts from the surrounding page.

Matplotlib draws with placeholder colors, which are then replaced by CSS variables of the page, so that one
drawing serves the light and the dark appearance.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from teamvla_eval.metrics.summary import SuccessSummary
from teamvla_eval.report.format import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, ACCENT, LINE = "#010203", "#020304", "#030405", "#040506"
SERIES = tuple(f"#0a0b0{number}" for number in range(6))  # colors of the policies
_CSS = {INK: "var(--ink)", MUTED: "var(--muted)", ACCENT: "var(--accent)", LINE: "var(--line)"}
_CSS |= {color: f"var(--series-{number})" for number, color in enumerate(SERIES)}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # dollar signs in names are dollar signs
    "svg.hashsalt": "teamvla",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.labelcolor": MUTED,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
LONGEST_LABEL = 28  # [characters]
_WIDTH = 4.4  # [in]: 422 px, a column on a desktop and the width of a phone


def success_bars(summaries: Mapping[str, SuccessSummary], highlight: Sequence[str] = ()) -> Markup:
    """Horizontal bars of success rates with 95% Wilson whiskers.

    Args:
        summaries: Label to figures, from top to bottom.
        highlight: Labels to draw in the accent color; the others are gray.

    Returns:
        An ``<svg>`` element.
    """
    labels = list(summaries)
    rates = [100 * summaries[label].success_rate for label in labels]
    bounds = [summaries[label].wilson_95 for label in labels]
    whiskers = [
        [rate - 100 * low for rate, (low, _) in zip(rates, bounds, strict=True)],
        [100 * high - rate for rate, (_, high) in zip(rates, bounds, strict=True)],
    ]
    colors = [ACCENT if label in highlight else MUTED for label in labels]

    def draw(axes: "Axes") -> None:
        places = range(len(labels))
        axes.barh(places, rates, height=0.56, color=colors, alpha=0.85)
        axes.errorbar(rates, places, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=1.1, capsize=3)
        for place, label, (_, high) in zip(places, labels, bounds, strict=True):
            rate = percent(summaries[label].success_rate)
            axes.annotate(rate, (100 * high, place), xytext=(6, 0), textcoords="offset points", va="center")
        axes.set_yticks(places, [short_label(label) for label in labels])
        axes.invert_yaxis()
        axes.set_xlim(0, 118)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        axes.grid(axis="y", visible=False)
        axes.spines["bottom"].set_visible(False)

    return draw_svg("Success rates with 95% intervals", 0.55 + 0.42 * len(labels), draw)


def learning_curve(minutes: Sequence[float], losses: Mapping[str, Sequence[float | None]]) -> Markup:
    """Losses over training time, on a logarithmic axis.

    Args:
        minutes: (L,) training time of each log line [min].
        losses: Label to (L,) losses; None where a line has none. The last curve is drawn in the accent color.

    Returns:
        An ``<svg>`` element.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    def draw(axes: "Axes") -> None:
        for label, values in losses.items():
            points = [(time, value) for time, value in zip(minutes, values, strict=True) if value is not None]
            if points:
                accent = label == list(losses)[-1]
                color, width = (ACCENT, 2.0) if accent else (MUTED, 1.2)
                marker = "o" if len(points) < 20 else None
                axes.plot(*zip(*points, strict=True), marker=marker, ms=3, label=label, color=color, lw=width)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("minutes of training")
        axes.set_ylabel("loss")
        axes.tick_params(which="both", labelcolor=MUTED)
        axes.set_xlim(0, max(minutes, default=0.0) or 1.0)
        if axes.lines:
            axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)

    return draw_svg("Training and validation loss over time", 2.6, draw)


def short_label(label: str) -> str:
    """Label without the middle part if it is long, as in ``runs/2026-11…step_20000``."""
    if len(label) <= LONGEST_LABEL:
        return label
    end = LONGEST_LABEL // 2
    return f"{label[: LONGEST_LABEL - end - 1]}…{label[-end:]}"


def draw_svg(description: str, height: float, draw: Callable[["Axes"], None]) -> Markup:
    """Draw on new axes of a height [in] and return them as an SVG element for an HTML page."""
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
        axes.tick_params(length=0, which="both")
        draw(axes)
        figure.savefig(buffer, format="svg", transparent=True)
    svg = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'(?<=<svg)([^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
    for color, variable in _CSS.items():
        svg = svg.replace(color, variable)
    return Markup(svg)
