"""Steps of the tests that use the demo in a browser."""

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
IN_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no chromium on this machine"),
]


def wait_for_end(page: Any, words: str = "success") -> None:
    page.locator(".tv-end.good, .tv-end.bad").first.wait_for(timeout=180_000)
    assert words in page.locator(".tv-end.good, .tv-end.bad").first.inner_text()


def clock(page: Any) -> float:
    return float(page.locator(".tv-clock").first.inner_text().split()[0])


def run(page: Any, instruction: str | None = None) -> None:
    if instruction is not None:
        page.locator("#instruction textarea").fill(instruction)
    page.locator("#run").click()
    page.locator(".tv-end.good, .tv-end.bad").first.wait_for(state="detached", timeout=60_000)


def download(page: Any, button: str, folder: Path) -> Path:
    page.locator(f"{button}:not([disabled])").wait_for(timeout=60_000)
    with page.expect_download() as found:
        page.locator(button).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path
