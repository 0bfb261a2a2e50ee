"""What is said while something compiles, and that an unusable kernel cache only costs time."""

import io
import threading
from collections.abc import Callable

import pytest
from teamvla_envs.sim import warp_setup
from teamvla_envs.sim.warp_setup import announce_if_slow, no_collection

MESSAGE = "TeamVLA: compiling something (once, about 10 s) …"


def test_what_takes_long_is_one_plain_line_where_nobody_watches(capfd: pytest.CaptureFixture[str]):
    with announce_if_slow(MESSAGE, delay=0.0):
        pass
    assert capfd.readouterr().err == MESSAGE + "\n"


def test_nothing_is_said_about_what_is_over_soon(capfd: pytest.CaptureFixture[str]):
    with announce_if_slow(MESSAGE, delay=60.0):
        pass
    assert capfd.readouterr().err == ""


def test_on_a_terminal_the_line_counts_modules_and_seconds(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    counts = iter((3, 5))
    monkeypatch.setattr(warp_setup, "compiled_modules", lambda: next(counts))
    done, screen = threading.Event(), Terminal()
    done.set()
    warp_setup._speak(MESSAGE, 0.0, screen, done)
    assert screen.getvalue() == f"\r\x1b[2K{MESSAGE} 2 kernel modules, 0 s\n"


def test_collection_is_put_off_and_taken_up_again():
    import gc

    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_without_a_kernel_cache_kernels_go_to_a_folder_that_the_process_removes(run_python: Callable[..., str]):
    program = (
        "import logging, os; logging.basicConfig(handlers=[logging.NullHandler()])\n"
        "from teamvla_envs.sim.warp_setup import prepare_warp\n"
        "prepare_warp()\n"
        "import warp; folder = warp.config.kernel_cache_dir\n"
        "print(folder, os.path.isdir(folder))"
    )
    folder, usable = run_python(program, WARP_CACHE_PATH="/dev/null/cache").split()
    assert usable == "True"
    assert "/dev/null" not in folder
    assert run_python(f"import os; print(os.path.exists({folder!r}))") == "False"
