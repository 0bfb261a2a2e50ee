import base64
import re
from html.parser import HTMLParser

import imageio.v3 as iio
import numpy as np
import pytest
from teamvla_eval.report.quickstart_report import Report, Training, render_report
from teamvla_eval.report.videos import Clip, encode_mp4

from tests.eval.episodes import make_results, make_suite

MP4 = b"\x00\x00\x00 ftypisom made up"


@pytest.fixture
def page():
    learned = make_suite("learned", 9, 1)
    return render_report(
        Report(
            eyebrow="TeamVLA quickstart",
            title="Two arms, one sentence: Lift",
            lead="It solves 9 of 10 episodes.",
            results=make_results(learned, make_suite("random", 0, 10), make_suite("expert", 10, 0)),
            clips=[Clip("learned", learned.records[0], MP4), Clip("learned", learned.records[9], MP4)],
            commands=["teamvla quickstart --out runs/quickstart"],
            training=Training([0.5, 1.0], {"training": [1.0, 0.1]}, {"Collect": 45.0, "Train": 372.0}),
        )
    )


class References(HTMLParser):
    """Collects everything a browser would load, and checks that every element is closed."""

    VOID = ("meta", "link", "br", "path", "use", "rect", "input", "img")

    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "xlink:href", "poster")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "xlink:href", "poster")]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_loads_nothing_from_outside(page):
    references = References(page).found
    assert references
    assert all(reference.startswith(("data:", "#")) for reference in references)
    assert not re.search(r"@import|url\((?!#)|<script", page)
    assert "default-src 'none'" in page


def test_every_element_is_closed(page):
    assert References(page).open == []


def test_videos_stand_inside_with_their_sentences(page):
    assert page.count(f"data:video/mp4;base64,{base64.b64encode(MP4).decode()}") == 2
    assert "“lift the bar onto stand 0”" in page
    assert "learned · success" in page
    assert "learned · failure" in page
    assert "ended in phase “approach”" in page


def test_a_video_has_a_poster_that_is_shown_until_it_is_played():
    learned = make_suite("learned", 1, 0)
    mp4 = encode_mp4(np.full((6, 64, 96, 3), 120, dtype=np.uint8), fps=25.0)
    page = render_report(Report("", "Bench", "", make_results(learned), [Clip("learned", learned.records[0], mp4)]))
    (data,) = re.findall(r'<video [^>]*poster="data:image/jpeg;base64,([^"]+)"', page)
    assert iio.imread(base64.b64decode(data)).shape == (64, 96, 3)


def test_a_damaged_video_is_shown_without_a_poster(page):
    assert "poster=" not in page


def test_the_page_shows_rates_commands_and_versions(page):
    for text in (
        "90%",
        "9 of 10",
        "60–98%",
        "teamvla quickstart --out runs/quickstart",
        "newton 1.8.0",
        "6 min 12 s",
    ):
        assert text in page


def test_every_seed_is_one_row_with_a_cell_for_each_policy(page):
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert body.count("<tr>") == 10
    assert body.count('class="result') == 30


def test_no_placeholder_is_left(page):
    assert not re.search(r"\$[a-z_{]", page)


def test_what_comes_from_outside_is_escaped():
    suite = make_suite("<b>policy</b>", 1, 0)
    page = render_report(Report("", "<script>alert(1)</script>", "a & b", make_results(suite)))
    assert "<b>policy" not in page
    assert "<script>" not in page
    assert "a &amp; b" in page


def test_a_report_without_videos_and_training_has_no_empty_sections():
    page = render_report(Report("", "Bench", "", make_results(make_suite("expert", 3, 0))))
    assert "<h2>Videos" not in page
    assert "<h2>Training" not in page
    assert References(page).open == []
