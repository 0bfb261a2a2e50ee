import re

from teamvla_eval.metrics import summarize
from teamvla_eval.plots import learning_curve, success_bars

from tests.eval.episodes import make_suite


def test_a_plot_takes_its_colors_from_the_page():
    summaries = {"learned": summarize(make_suite("learned", 9, 1).records)}
    for svg in (success_bars(summaries, ["learned"]), learning_curve([0.0, 1.0], {"training": [1.0, 0.1]})):
        assert svg.startswith("<svg")
        assert "var(--accent)" in svg
        assert "var(--muted)" in svg
        for text in re.findall(r"<text[^>]*>", svg):
            assert "var(--" in text


def test_bars_name_policies_and_rates():
    summaries = {name: summarize(make_suite(name, k, 10 - k).records) for name, k in (("a", 9), ("b", 0))}
    svg = success_bars(summaries, ["a"])
    labels = re.findall(r">([^<>\n]+)</text>", svg)
    assert {"a", "b", "90%", "0%"} <= set(labels)


def test_a_learning_curve_leaves_out_what_was_not_measured():
    svg = learning_curve([0.5, 1.0], {"training": [1.0, 0.1], "validation": [None, None]})
    labels = re.findall(r">([^<>\n]+)</text>", svg)
    assert "training" in labels
    assert "validation" not in labels


def test_an_empty_log_still_draws():
    assert learning_curve([], {"training": [], "validation": []}).startswith("<svg")
