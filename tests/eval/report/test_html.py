from importlib.resources import files

import pytest
from markupsafe import Markup
from teamvla_eval.report.html import render_page
from teamvla_eval.report.plots import draw_svg


def test_only_markup_is_taken_as_html():
    plot = Markup("<svg></svg>")
    section = {"task": "<b>", "conditions": "&", "success": plot, "speed": "<svg></svg>"}
    page = render_page(
        "history.html", eyebrow="<i>", title="</title>", lead='"', footer="<u>", sections=[section], rows=[["<td>"]]
    )
    assert page.count("<svg></svg>") == 1
    assert "&lt;svg&gt;" in page
    for text in ("<b>", "<i>", "<u>", "</title></title>", "<td><td>"):
        assert text not in page


@pytest.mark.parametrize("name", [entry.name for entry in files("teamvla_eval").joinpath("templates").iterdir()])
def test_no_template_switches_escaping_off(name):
    text = files("teamvla_eval").joinpath("templates", name).read_text()
    assert "safe" not in text.replace("&", "").split("|")
    assert "autoescape" not in text


@pytest.mark.parametrize("name", ["$\\frac$", "a$b$c", "<b>&"])
def test_plots_show_names_as_they_are(name):
    def draw(axes):
        axes.set_xlabel(name)

    svg = draw_svg("test", 2.0, draw)
    assert isinstance(svg, Markup)
    assert Markup.escape(name) in svg or name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in svg
