import html
import re
import warnings

import pytest
from teamvla_eval.metrics.summary import summarize
from teamvla_eval.report.bench_plots import failure_bars, phase_bars, success_over_time, survival_curves
from teamvla_eval.report.plots import LONGEST_LABEL, learning_curve, short_label, success_bars
from teamvla_eval.results.history_file import HistoryEntry

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


def test_a_long_label_lacks_its_middle():
    assert short_label("runs/x") == "runs/x"
    label = short_label("runs/2026-11-30_lift_and_drawer_together/step_20000")
    assert label == "runs/2026-11-…her/step_20000"
    assert len(label) == LONGEST_LABEL


@pytest.mark.parametrize("policies", [1, 2, 6, 20])
@pytest.mark.parametrize(
    "name", ["runs/<b>/[bold red]<img src=x onerror=alert(1)>", "runs/" + "a_long_folder/" * 20 + "x", "W" * 40]
)
def test_plots_keep_their_size_next_to_long_names(name, policies):
    suites = {f"{name}{n}": make_suite(f"{name}{n}", n % 5, 5 - n % 5).records for n in range(policies)}
    entries = [
        HistoryEntry("2026-11-25T10:00:00", policy, "lift", 1, 1, 1.0, (0.2, 1.0), 1.0, None, {}, {}, "", "", "")
        for policy in suites
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots = [
            success_bars({policy: summarize(records) for policy, records in suites.items()}),
            survival_curves(suites, 6.0),
            phase_bars(suites, ["approach", "done"]),
            failure_bars(suites),
            success_over_time(entries),
        ]
    for svg in plots:
        assert svg.startswith("<svg")
        assert all(len(text) <= LONGEST_LABEL for text in map(html.unescape, re.findall(r">([^<>\n]+)</text>", svg)))


def test_policies_whose_short_labels_are_equal_keep_their_bars():
    summaries = {f"runs/{'a' * 20}{n}{'b' * 20}": summarize(make_suite("x", n, 10 - n).records) for n in (2, 9)}
    svg = success_bars(summaries)
    assert "20%" in svg
    assert svg.count("…") == 2
