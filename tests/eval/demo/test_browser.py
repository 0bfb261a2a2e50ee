"""The demo in a real browser: a headless Chromium against ``teamvla demo``."""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.replay import replay

IMAGE = "document.querySelector('.tv-pic img')"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PROGRAM = "import sys; from teamvla_envs.cli import main; sys.exit(main())"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., str]]:
    """Starts demos and returns their addresses; ends them after the tests."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> str:
        command = [sys.executable, "-c", PROGRAM, "demo", "--port", "0", *arguments]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout is not None
        return next(found[0] for line in running[-1].stdout if (found := re.findall(r"demo on (\S+)", line)))

    yield start
    for process in running:
        process.terminate()
    for process in running:
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def address(start: Callable[..., str]) -> str:
    return start("--seed", "0", "--max-visitors", "8", "--idle-s", "60")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """A page of a new visitor, which has shown its first episode to the end."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.goto(address, timeout=180_000)
    _wait_for_end(page)
    yield page
    context.close()


def _wait_for_end(page: Any, words: str = "success") -> None:
    page.locator(".tv-end.good, .tv-end.bad").first.wait_for(timeout=180_000)
    assert words in page.locator(".tv-end.good, .tv-end.bad").first.inner_text()


def _clock(page: Any) -> float:
    return float(page.locator(".tv-clock").first.inner_text().split()[0])


def _run(page: Any, sentence: str | None = None) -> None:
    if sentence is not None:
        page.locator("#sentence textarea").fill(sentence)
    page.locator("#run").click()
    page.locator(".tv-end.good, .tv-end.bad").first.wait_for(state="detached", timeout=60_000)


def _download(page: Any, button: str, folder: Path) -> Path:
    page.locator(f"{button}:not([disabled])").wait_for(timeout=60_000)
    with page.expect_download() as found:
        page.locator(button).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def test_the_badge_of_the_policy_before_is_hidden_while_another_is_prepared(page: Any):
    badges = """() => {
        const tag = document.querySelector('.tv-tag'), say = document.querySelector('.tv-say');
        const busy = document.querySelector('#message').innerText;
        window.seen.push([busy, tag.innerText, ...[tag, say].map(one => getComputedStyle(one).visibility)]);
    }"""
    page.evaluate(f"() => {{ window.seen = []; setInterval({badges}, 20); }}")
    page.locator("#policy input").fill("random")
    page.locator("#policy input").press("Enter")
    page.locator("#run").click()
    page.get_by_text("running").wait_for(timeout=60_000)
    seen = page.evaluate("() => window.seen")
    preparing = [labels for busy, *labels in seen if "preparing" in busy]
    assert preparing
    assert all(visibilities == ["hidden", "hidden"] for _, *visibilities in preparing)
    assert seen[0][1:] == ["expert", "visible", "visible"]
    assert seen[-1][1:] == ["random", "visible", "visible"]


def test_a_sentence_that_swaps_the_goal_has_the_other_outcome(page: Any, tmp_path: Path):
    heights = {}
    for sentence, goal in (("put the bar on the back stand", "stand_back"), ("hold the bar up", "hold")):
        _run(page, sentence)
        _wait_for_end(page)
        assert f"goal: {goal}" in page.locator("#stage").inner_text()
        assert sentence in page.locator("#stage").inner_text()
        file = _download(page, "#hdf5", tmp_path)
        assert replay(file, verify=True) == 0
        with open_demos(file) as demos:
            demo = demos.demo(demos.names[-1])
            assert (demo.goal, demo.instruction, demo.success) == (goal, sentence, True)
            state = demo.obs("environment_state")[-1]
            parts = dict(demos.parts("environment_state"))
            begin = sum(length for name, length in list(parts.items())[: list(parts).index("object_pos")])
            heights[goal] = state[begin + 2]
    assert heights["hold"] > 0.27 > heights["stand_back"] + 0.05
    video = _download(page, "#mp4", tmp_path).read_bytes()
    assert video[4:8] == b"ftyp"


def test_an_unknown_sentence_gets_a_friendly_answer(page: Any):
    page.locator("#sentence textarea").fill("make me a coffee")
    page.locator("#run").click()
    answer = page.locator(".tv-refused")
    answer.wait_for(timeout=60_000)
    assert "I did not understand “make me a coffee”" in answer.inner_text()
    assert page.locator(".tv-pic").count() == 1  # the scene is still there


def test_the_nearest_sentence_is_one_click_away(page: Any):
    page.locator("#sentence textarea").fill("hold bar up")
    page.locator("#run").click()
    page.locator("#suggestion").wait_for(timeout=60_000)
    assert "Did you mean “hold the bar up”?" in page.locator(".tv-refused").inner_text()
    page.locator("#suggestion").click()
    page.locator("#suggestion").wait_for(state="hidden", timeout=60_000)
    page.locator(".tv-end.good, .tv-end.bad").first.wait_for(state="detached", timeout=60_000)
    _wait_for_end(page)
    assert page.locator("#sentence textarea").input_value() == "hold the bar up"


def test_what_was_typed_outlives_the_page_load_and_every_change_of_the_scene(chromium: Any, address: str):
    page = chromium.new_page()
    page.goto(address, timeout=180_000)
    said = page.locator("#sentence textarea")
    said.wait_for(timeout=180_000)
    said.press_sequentially("my own ", delay=20)
    page.locator(".tv-pic").wait_for(timeout=180_000)
    said.press_sequentially("words", delay=20)
    _wait_for_end(page)  # the first episode is the seed's own
    assert said.input_value() == "my own words"
    shown = page.locator(".tv-say")
    before = shown.inner_text()
    for part, chosen, words in (("#policy", "zero", "zero"), ("#task", "drawer", "drawer")):
        page.locator(f"{part} input").click()
        page.get_by_role("option", name=chosen, exact=True).click()
        page.wait_for_function(f"document.querySelector('#stage').innerText.includes('{words}')", timeout=120_000)
        assert said.input_value() == "my own words"
    page.locator("#seed input").fill("3")
    page.wait_for_function(f"document.querySelector('.tv-say').innerText != {before!r}", timeout=120_000)
    page.locator(".tv-busy").wait_for(state="detached", timeout=60_000)
    assert said.input_value() == "my own words"
    page.close()


def test_it_is_shown_that_something_is_being_worked_on(page: Any):
    page.locator("#run").click()
    page.locator(".tv-busy").wait_for(timeout=60_000)
    _wait_for_end(page)
    page.locator(".tv-busy").wait_for(state="detached", timeout=60_000)


@pytest.mark.parametrize("seed", ["-3", "1.5", ""])
def test_a_seed_that_is_none_is_explained_beside_the_picture(page: Any, seed: str):
    page.locator("#seed input").fill(seed)
    answer = page.locator(".tv-refused").filter(has_text=f"The seed is {seed or 'empty'}, expected a whole number")
    answer.wait_for(timeout=60_000)
    assert page.locator(".tv-pic").count() == 1
    page.locator("#seed input").fill("7")
    answer.wait_for(state="detached", timeout=60_000)


def test_a_learned_policy_is_not_judged_on_words_of_ones_own(page: Any):
    pytest.importorskip("teamvla_learn")
    page.locator("#policy input").click()
    page.get_by_role("option", name="baseline:lift", exact=True).click()
    page.locator(".tv-tag").filter(has_text="baseline:lift").wait_for(timeout=120_000)
    page.locator("#sentence textarea").fill("do something nice with the bar")
    page.locator("#run").click()
    page.locator(".tv-note").wait_for(timeout=120_000)
    assert "not judged" in page.locator("#stage").inner_text()
    assert "goal:" not in page.locator("#stage").inner_text()
    page.locator("#stop").click()


def test_the_first_picture_is_not_enlarged(chromium: Any, start: Callable[..., str]):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(start(), timeout=180_000)  # the page itself is still being loaded
    page.wait_for_function("document.querySelector('.tv-pic img')?.naturalHeight", timeout=180_000)
    natural, shown = page.evaluate("[image.naturalHeight, image.clientHeight]".replace("image", IMAGE))
    assert natural >= shown > 300
    page.close()


def test_a_sentence_can_be_picked(page: Any):
    page.locator("#pick input").click()
    page.get_by_role("option", name=re.compile("^hold the bar up$")).click()
    _run(page)
    _wait_for_end(page)
    assert "goal: hold" in page.locator("#stage").inner_text()


def test_a_push_and_a_frozen_arm_are_seen_and_recovered_from(page: Any):
    _run(page, "put the bar on the front stand")
    page.get_by_label("arm_1").check()
    page.wait_for_function("document.body.innerText.includes('frozen: arm_1')", timeout=60_000)
    page.get_by_label("arm_1").uncheck()
    page.get_by_role("button", name="↑ away").click()
    page.wait_for_function("document.body.innerText.includes('bar pushed')", timeout=60_000)
    _wait_for_end(page)


def test_two_policies_are_shown_side_by_side(page: Any, tmp_path: Path):
    page.locator("#beside input").click()
    page.get_by_role("option", name="zero").click()
    page.wait_for_function("document.querySelectorAll('.tv-pic').length == 2", timeout=60_000)
    _run(page)
    page.wait_for_function("document.querySelectorAll('.tv-end.good').length == 1", timeout=180_000)
    page.locator("#stop").click()
    files = [_download(page, button, tmp_path) for button in ("#hdf5", "#hdf5_2")]
    assert [replay(file, verify=True) for file in files] == [0, 0]


def test_another_task_with_its_own_sentences(page: Any):
    page.locator("#task input").click()
    page.get_by_role("option", name="drawer").click()
    page.wait_for_function("document.querySelector('.tv-say').innerText.includes('drawer')", timeout=120_000)
    assert "drawer" in page.locator("#sentence textarea").get_attribute("placeholder")
    _run(page)
    _wait_for_end(page)


@pytest.mark.parametrize(
    "said",
    [
        "a" * 100_000,
        "\u202e\ufdfd🤖\u0301" * 40,
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "' OR 1=1 --",
    ],
)
def test_hostile_sentences_get_an_answer(page: Any, said: str):
    dialogs: list[Any] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    page.locator("#sentence textarea").fill(said)
    page.locator("#run").click()
    page.locator(".tv-refused").wait_for(timeout=60_000)
    text = page.locator("body").inner_text()
    assert "I did not understand" in text
    assert "Traceback" not in text
    assert not dialogs


def test_hostile_requests_get_an_answer(address: str):
    def status(path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
        try:
            with urlopen(Request(address + path, body, {"content-type": kind}), timeout=30) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    form = b'--x\r\ncontent-disposition: form-data; name="files"; filename="../../a"\r\n\r\nhi\r\n--x--\r\n'
    named = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    data = {"data": [named, "expert", "nobody", 0, 2], "fn_index": 0, "session_hash": "s"}
    file_data = json.dumps(data).encode()
    found = [
        status("/gradio_api/upload", form, "multipart/form-data; boundary=x"),
        status("/gradio_api/queue/join", b'{"data": ["' + b"a" * 1_000_000 + b'"]}'),
        status("/gradio_api/queue/join", file_data),
        status("/gradio_api/queue/join", b"\xff\xfe not json"),
        status("/gradio_api/file=/etc/passwd"),
        status("/gradio_api/file=../../../../etc/passwd"),
        status("/../../etc/passwd"),
        status("/openapi.json"),
    ]
    assert [code for code, _ in found][:3] == [403, 413, 403]
    assert all(400 <= code < 500 for code, _ in found)
    assert not any("Traceback" in text or "root:" in text for _, text in found)


def test_the_page_asks_nobody_else_for_anything(chromium: Any, address: str):
    page = chromium.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address, timeout=180_000)
    _wait_for_end(page)
    page.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert complaints == []


def test_eight_visitors_at_once_see_their_own_episodes_and_the_ninth_is_asked_to_wait(
    start: Callable[..., str], chromium: Any
):
    address = start("--max-visitors", "8")
    contexts = [chromium.new_context() for _ in range(9)]
    pages = [context.new_page() for context in contexts]
    for page in pages[:8]:
        page.goto(address, timeout=180_000)
        page.locator("#run").wait_for(timeout=180_000)  # the page that is shown while Gradio loads has none
        page.locator(".tv-pic").wait_for(timeout=180_000)
    pages[8].goto(address, timeout=180_000)
    pages[8].locator(".tv-refused").wait_for(timeout=60_000)
    assert "All 8 places are taken" in pages[8].locator(".tv-refused").inner_text()
    told = ["put the bar on the back stand", "hold the bar up"] * 4
    for page, sentence in zip(pages, told, strict=False):
        _wait_for_end(page)
        _run(page, sentence)
    clocks = np.array([_clock(page) for page in pages[:8]])
    time.sleep(2)
    later = np.array([_clock(page) for page in pages[:8]])
    assert ((later > clocks) | (later > 2.0)).all()  # all of them go on
    for page, sentence in zip(pages, told, strict=False):
        _wait_for_end(page)
        assert sentence in page.locator("#stage").inner_text()
    contexts[0].close()  # somebody leaves
    deadline = time.monotonic() + 60
    while pages[8].locator(".tv-refused").count() and time.monotonic() < deadline:
        pages[8].reload(timeout=180_000)
        pages[8].locator(".tv-refused, .tv-pic").first.wait_for(timeout=60_000)
    assert pages[8].locator(".tv-pic").count() == 1
    for context in contexts[1:]:
        context.close()


def test_the_picture_is_one_that_can_be_looked_at(page: Any):
    from PIL import Image

    shot = Image.open(io.BytesIO(page.locator(".tv-pic").screenshot()))
    assert np.asarray(shot.convert("RGB")).std() > 20
