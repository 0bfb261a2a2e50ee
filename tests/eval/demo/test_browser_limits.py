"""The demo in a headless Chromium: hostile input, other hosts and many visitors."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.eval.demo.browsing import IN_BROWSER, clock, run, wait_for_end

pytestmark = IN_BROWSER


@pytest.mark.parametrize(
    "typed",
    [
        "a" * 100_000,
        "\u202e\ufdfd🤖\u0301" * 40,
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "' OR 1=1 --",
    ],
)
def test_hostile_instructions_get_an_answer(page: Any, typed: str):
    dialogs: list[Any] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    page.locator("#instruction textarea").fill(typed)
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
    data = {"data": [named, "expert", "none", 0, 2], "fn_index": 0, "session_hash": "s"}
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
    wait_for_end(page)
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
    instructions = ["put the bar on the back stand", "hold the bar up"] * 4
    for page, instruction in zip(pages, instructions, strict=False):
        wait_for_end(page)
        run(page, instruction)
    clocks = np.array([clock(page) for page in pages[:8]])
    time.sleep(2)
    later = np.array([clock(page) for page in pages[:8]])
    assert ((later > clocks) | (later > 2.0)).all()  # all of them go on
    for page, instruction in zip(pages, instructions, strict=False):
        wait_for_end(page)
        assert instruction in page.locator("#stage").inner_text()
    contexts[0].close()  # somebody leaves
    deadline = time.monotonic() + 60
    while pages[8].locator(".tv-refused").count() and time.monotonic() < deadline:
        pages[8].reload(timeout=180_000)
        pages[8].locator(".tv-refused, .tv-pic").first.wait_for(timeout=60_000)
    assert pages[8].locator(".tv-pic").count() == 1
    for context in contexts[1:]:
        context.close()
