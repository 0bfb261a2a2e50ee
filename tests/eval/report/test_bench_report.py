import re
from html.parser import HTMLParser

import pytest
from teamvla_eval.report.bench_report import render_bench_report
from teamvla_eval.report.videos import Clip

from tests.eval.episodes import make_results, make_suite

PHASES = ("approach", "grasp", "carry", "place", "release", "done")


@pytest.fixture
def run():
    suites = [
        make_suite(policy, n, 10 - n, task)
        for policy, n in (("runs/x", 9), ("random", 0))
        for task in ("lift", "drawer")
    ]
    results = make_results(*suites)
    clip = Clip("runs/x", results.suites[0].records[0], b"not really a video")
    return results, {"lift": PHASES, "drawer": PHASES}, (clip,)


class Checker(HTMLParser):
    """Finds elements that are not closed, and addresses of anything outside."""

    VOID = ("meta", "link", "br", "path", "use", "rect", "input")

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_points_to_nothing_outside(run):
    checker = Checker()
    checker.feed(render_bench_report(*run))
    assert checker.open == []
    assert all(address.startswith(("data:", "#")) for address in checker.addresses)


def test_every_task_has_its_plots(run):
    page = render_bench_report(*run)
    assert "<h2>Lift</h2>" in page
    assert "<h2>Drawer</h2>" in page
    assert page.count("<svg") == 2 * 5
    assert "stuck in approach" in page


def test_videos_stand_with_their_task(run):
    page = render_bench_report(*run)
    assert page.count("<video") == 1
    assert page.index("<video") < page.index("<h2>Drawer</h2>")


def test_deviations_from_the_protocol_are_said(run):
    assert "episodes is 10, the protocol has 200" in render_bench_report(*run)


def test_the_command_and_how_to_compare_are_there(run):
    page = render_bench_report(*run)
    assert "teamvla bench --policy runs/x random" in page
    assert "teamvla reproduce results.json" in page


def test_names_are_escaped_everywhere():
    suites = (make_suite("<b>bold</b>", 1, 1),)
    page = render_bench_report(make_results(*suites), {"lift": PHASES})
    assert "<b>" not in page


def test_a_policy_that_never_fails_needs_no_failure_plot():
    page = render_bench_report(make_results(make_suite("a", 10, 0)), {"lift": PHASES})
    assert "No episode failed." in page


def test_no_placeholder_color_is_left(run):
    assert not re.search("#0a0b0|#01020|#02030|#03040|#04050", render_bench_report(*run))
