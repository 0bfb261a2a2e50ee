"""Demo servers and pages of a headless Chromium."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.eval.demo.browsing import CHROMIUM, wait_for_end

PROGRAM = "import sys; from teamvla_envs.cli import main; sys.exit(main())"


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
    wait_for_end(page)
    yield page
    context.close()
