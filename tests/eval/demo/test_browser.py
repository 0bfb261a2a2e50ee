"""The demo in a headless Chromium: controls of the page and their effect."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.replay import replay

from tests.eval.demo.browsing import IN_BROWSER, download, run, wait_for_end

IMAGE = "document.querySelector('.tv-pic img')"
pytestmark = IN_BROWSER


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


def test_an_instruction_that_swaps_the_goal_has_the_other_outcome(page: Any, tmp_path: Path):
    heights = {}
    for instruction, goal in (("put the bar on the back stand", "stand_back"), ("hold the bar up", "hold")):
        run(page, instruction)
        wait_for_end(page)
        assert f"goal: {goal}" in page.locator("#stage").inner_text()
        assert instruction in page.locator("#stage").inner_text()
        file = download(page, "#hdf5", tmp_path)
        assert replay(file, verify=True) == 0
        with open_demos(file) as demos:
            demo = demos.demo(demos.names[-1])
            assert (demo.goal, demo.instruction, demo.success) == (goal, instruction, True)
            state = demo.obs("environment_state")[-1]
            parts = dict(demos.parts("environment_state"))
            begin = sum(length for name, length in list(parts.items())[: list(parts).index("object_pos")])
            heights[goal] = state[begin + 2]
    assert heights["hold"] > 0.27 > heights["stand_back"] + 0.05
    video = download(page, "#mp4", tmp_path).read_bytes()
    assert video[4:8] == b"ftyp"


def test_an_unknown_instruction_gets_a_friendly_answer(page: Any):
    page.locator("#instruction textarea").fill("make me a coffee")
    page.locator("#run").click()
    answer = page.locator(".tv-refused")
    answer.wait_for(timeout=60_000)
    assert "I did not understand “make me a coffee”" in answer.inner_text()
    assert page.locator(".tv-pic").count() == 1  # the scene is still there


def test_the_nearest_instruction_is_one_click_away(page: Any):
    page.locator("#instruction textarea").fill("hold bar up")
    page.locator("#run").click()
    page.locator("#suggestion").wait_for(timeout=60_000)
    assert "Did you mean “hold the bar up”?" in page.locator(".tv-refused").inner_text()
    page.locator("#suggestion").click()
    page.locator("#suggestion").wait_for(state="hidden", timeout=60_000)
    page.locator(".tv-end.good, .tv-end.bad").first.wait_for(state="detached", timeout=60_000)
    wait_for_end(page)
    assert page.locator("#instruction textarea").input_value() == "hold the bar up"


def test_what_was_typed_outlives_the_page_load_and_every_change_of_the_scene(chromium: Any, address: str):
    page = chromium.new_page()
    page.goto(address, timeout=180_000)
    typed = page.locator("#instruction textarea")
    typed.wait_for(timeout=180_000)
    typed.press_sequentially("my own ", delay=20)
    page.locator(".tv-pic").wait_for(timeout=180_000)
    typed.press_sequentially("words", delay=20)
    wait_for_end(page)  # the first episode is the seed's own
    assert typed.input_value() == "my own words"
    shown = page.locator(".tv-say")
    before = shown.inner_text()
    for part, chosen, words in (("#policy", "zero", "zero"), ("#task", "drawer", "drawer")):
        page.locator(f"{part} input").click()
        page.get_by_role("option", name=chosen, exact=True).click()
        page.wait_for_function(f"document.querySelector('#stage').innerText.includes('{words}')", timeout=120_000)
        assert typed.input_value() == "my own words"
    page.locator("#seed input").fill("3")
    page.wait_for_function(f"document.querySelector('.tv-say').innerText != {before!r}", timeout=120_000)
    page.locator(".tv-busy").wait_for(state="detached", timeout=60_000)
    assert typed.input_value() == "my own words"
    page.close()


def test_it_is_shown_that_something_is_being_worked_on(page: Any):
    page.locator("#run").click()
    page.locator(".tv-busy").wait_for(timeout=60_000)
    wait_for_end(page)
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
    page.locator("#instruction textarea").fill("do something nice with the bar")
    page.locator("#run").click()
    page.locator(".tv-note").wait_for(timeout=120_000)
    assert "not judged" in page.locator("#stage").inner_text()
    assert "goal:" not in page.locator("#stage").inner_text()
    page.locator("#stop").click()


def test_the_first_image_is_not_enlarged(chromium: Any, start: Callable[..., str]):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(start(), timeout=180_000)  # the page itself is still being loaded
    page.wait_for_function("document.querySelector('.tv-pic img')?.naturalHeight", timeout=180_000)
    natural, shown = page.evaluate("[image.naturalHeight, image.clientHeight]".replace("image", IMAGE))
    assert natural >= shown > 300
    page.close()


def test_an_instruction_can_be_picked(page: Any):
    page.locator("#pick input").click()
    page.get_by_role("option", name=re.compile("^hold the bar up$")).click()
    run(page)
    wait_for_end(page)
    assert "goal: hold" in page.locator("#stage").inner_text()


def test_a_push_and_a_frozen_arm_are_seen_and_recovered_from(page: Any):
    run(page, "put the bar on the front stand")
    page.get_by_label("arm_1").check()
    page.wait_for_function("document.body.innerText.includes('frozen: arm_1')", timeout=60_000)
    page.get_by_label("arm_1").uncheck()
    page.get_by_role("button", name="↑ away").click()
    page.wait_for_function("document.body.innerText.includes('bar pushed')", timeout=60_000)
    wait_for_end(page)


def test_two_policies_are_shown_side_by_side(page: Any, tmp_path: Path):
    page.locator("#second input").click()
    page.get_by_role("option", name="zero").click()
    page.wait_for_function("document.querySelectorAll('.tv-pic').length == 2", timeout=60_000)
    run(page)
    page.wait_for_function("document.querySelectorAll('.tv-end.good').length == 1", timeout=180_000)
    page.locator("#stop").click()
    files = [download(page, button, tmp_path) for button in ("#hdf5", "#hdf5_2")]
    assert [replay(file, verify=True) for file in files] == [0, 0]


def test_another_task_with_its_own_sentences(page: Any):
    page.locator("#task input").click()
    page.get_by_role("option", name="drawer").click()
    page.wait_for_function("document.querySelector('.tv-say').innerText.includes('drawer')", timeout=120_000)
    assert "drawer" in page.locator("#instruction textarea").get_attribute("placeholder")
    run(page)
    wait_for_end(page)


def test_the_image_is_one_that_can_be_looked_at(page: Any):
    from PIL import Image

    shot = Image.open(io.BytesIO(page.locator(".tv-pic").screenshot()))
    assert np.asarray(shot.convert("RGB")).std() > 20
