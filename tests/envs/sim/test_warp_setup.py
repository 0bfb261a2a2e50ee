"""Messages about compilation, and unusable kernel caches."""

import importlib.util
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from teamvla_envs.errors import UserError
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


@pytest.mark.parametrize("damage", ["truncated", "zeroed", "no JSON"])
def test_a_damaged_cache_of_kernels_names_the_folder_to_delete(tmp_path: Path, damage: str):
    program = """
import sys, warp as wp
from teamvla_envs.errors import UserError
from teamvla_envs.sim.warp_setup import compiled_quickly
wp.config.log_level = 30
wp.config.kernel_cache_dir = sys.argv[1]
wp.init()
@wp.kernel
def double(values: wp.array(dtype=float)):
    values[wp.tid()] *= 2.0
try:
    with compiled_quickly():
        wp.launch(double, 1, [wp.zeros(1, dtype=float, device="cpu")], device="cpu")
    print("loaded")
except UserError as error:
    print(error)
"""
    file = tmp_path / "program.py"
    file.write_text(program)
    cache = tmp_path / "kernels"

    def run() -> str:
        command = [sys.executable, str(file), str(cache)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.strip()

    assert run() == "loaded"
    for path in cache.rglob("*.meta" if damage == "no JSON" else "*.o"):
        content = path.read_bytes()
        path.write_bytes({"truncated": content[:99], "zeroed": bytes(len(content)), "no JSON": b"{"}[damage])
    assert f"their cache is damaged: delete the folder {cache}" in run()


@pytest.mark.parametrize(("module", "distribution"), [("newton", "newton"), ("warp", "warp-lang")])
def test_a_missing_package_is_named(module, distribution, monkeypatch):
    monkeypatch.delitem(sys.modules, module, raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    warp_setup.prepare_warp.cache_clear()
    with pytest.raises(UserError, match=f"{distribution} is not installed, .*: pip install {distribution}"):
        warp_setup.prepare_warp()
