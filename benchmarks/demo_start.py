"""Time from the start of ``teamvla demo`` to the first moving image in a headless Chromium.

Run ``uv run python benchmarks/demo_start.py`` on an idle machine; the first repetition fills caches and is not counted.
"""

import re
import shutil
import subprocess
import sys
import time

import tyro
from measure import machine, spread
from playwright.sync_api import Browser, sync_playwright

PROGRAM = "import sys; from teamvla_envs.cli import main; sys.exit(main())"
CLOCK = ".tv-clock"  # CSS class of the episode's clock next to the image


def main(repetitions: int = 3, chromium: str = shutil.which("chromium") or "/usr/bin/chromium") -> None:
    """Print the seconds from the program's start until the episode's clock has moved on the page.

    Args:
        repetitions: Number of counted starts.
        chromium: Path of the browser.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        times = [start(browser) for _ in range(repetitions + 1)][1:]
        browser.close()
    print(f"seconds to the first moving image, median (lowest to highest): {spread(times):.2f}; {machine()}")


def start(browser: Browser) -> float:
    """Start and stop a demo; return the seconds from its start to the second frame."""
    page = browser.new_context().new_page()
    began = time.perf_counter()
    command = [sys.executable, "-c", PROGRAM, "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.findall(r"demo on (\S+)", line)))
        page.goto(address)
        clock = page.locator(CLOCK).first
        first = clock.inner_text(timeout=60_000)
        while clock.inner_text() == first:
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        process.terminate()
    return seconds


if __name__ == "__main__":
    tyro.cli(main)
