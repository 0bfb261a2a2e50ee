"""Warp's global settings, set once before Newton is first used, and messages during compilation."""

import atexit
import contextlib
import gc
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from teamvla_envs.errors import UserError
from teamvla_envs.sim.log_routing import WarpLogger

logger = logging.getLogger(__name__)

_ROOM = 16 << 20  # [bytes] free space that kernels need in Warp's cache

# Warp records a graph for the whole process: launches of other threads would be recorded with it. Code that launches
# kernels or records holds this lock; replaying a graph needs none.
WARP_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):  # a child must not be forked amid another thread's compilation
    os.register_at_fork(before=WARP_LOCK.acquire, after_in_parent=WARP_LOCK.release, after_in_child=WARP_LOCK.release)


@lru_cache
def prepare_warp() -> None:
    """Make Warp quiet and fast to start: no backward kernels, no banner, no warning about a missing GPU.

    Raises:
        UserError: If Warp or Newton is not installed.
    """
    for module, distribution in (("warp", "warp-lang"), ("newton", "newton")):
        if module not in sys.modules and importlib.util.find_spec(module) is None:
            raise UserError(f"{distribution} is not installed, which compiles the scenes: pip install {distribution}")
    with WARP_LOCK, no_collection():
        import warp as wp

        wp.config.log_level = 30  # warnings and errors
        if type(wp.get_logger()).__module__.startswith("warp."):  # no other logger was set
            wp.set_logger(WarpLogger())
        wp.config.enable_backward = False  # halves the compilation; nothing here is differentiated
        _init_somewhere(wp)
        import newton  # noqa: F401  a million objects, none of them garbage


def _init_somewhere(wp: Any) -> None:
    """Start Warp; if its kernel cache is not writable, with a folder that lasts as long as the process."""
    try:
        with silent_stderr():
            wp.init()
        with tempfile.TemporaryFile(dir=wp.config.kernel_cache_dir) as file:
            file.write(bytes(_ROOM))
    except OSError as error:
        logger.warning("cannot keep compiled kernels, they will be compiled again: %s", error)
        folder = tempfile.mkdtemp(prefix="teamvla-kernels-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        wp.config.kernel_cache_dir = folder
        with silent_stderr():
            wp.init()


@contextlib.contextmanager
def no_collection() -> Generator[None, None, None]:
    """Suspend garbage collection, a fifth of the time for importing Newton and generating kernels."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def compiled_quickly() -> Generator[None, None, None]:
    """Compile kernels unoptimized, in a third of the time: for those that run once or on little data."""
    import warp as wp

    level = wp.config.optimization_level
    wp.config.optimization_level = 0
    try:
        with damaged_cache_reported():
            yield
    finally:
        wp.config.optimization_level = level


@contextlib.contextmanager
def damaged_cache_reported() -> Generator[None, None, None]:
    """Report compiled kernels that cannot be loaded as a ``UserError`` that names the folder to delete."""
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:
        if not _of_loading(error):
            raise
        import warp as wp

        folder = wp.config.kernel_cache_dir
        raise UserError(
            f"compiled kernels cannot be loaded, their cache is damaged: delete the folder {folder} "
            f"and try again ({' '.join(str(error).split())[:200]})"
        ) from error


def _of_loading(error: Exception) -> bool:
    """Whether an error comes from loading a module of kernels or from a kernel that the module lacks."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    loading = any(code.co_name == "load" and "warp" in Path(code.co_filename).parts for code in frames)
    return loading or ("Failed to find" in str(error) and "kernel" in str(error))


@contextlib.contextmanager
def silent_stderr() -> Generator[None, None, None]:
    """Discard what native code writes to the standard error file descriptor."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


@contextlib.contextmanager
def announce_if_slow(message: str, delay: float = 1.5) -> Generator[None, None, None]:
    """Show on standard error that something takes long: one line, on a terminal with counts of modules and seconds.

    Args:
        message: The work and its expected duration, e.g. ``"TeamVLA: compiling … (once, about 10 s) …"``.
        delay: Time after which the message is shown [s]; shorter work shows none.
    """
    try:
        stream = os.fdopen(os.dup(2), "w")  # writes even while silent_stderr is in force
    except OSError:  # there is no standard error
        yield
        return
    done = threading.Event()
    speaker = threading.Thread(target=_speak, args=(message, delay, stream, done), daemon=True)
    speaker.start()
    try:
        with damaged_cache_reported():
            yield
    finally:
        done.set()
        speaker.join()
        stream.close()


def _speak(message: str, delay: float, stream: TextIO, done: threading.Event) -> None:
    began, before = time.monotonic(), compiled_modules()
    if delay and done.wait(delay):
        return
    if not stream.isatty():
        print(message, file=stream, flush=True)
        return
    while True:
        over = done.wait(0.5)
        count = compiled_modules() - before
        line = f"{message} {count} kernel modules, {time.monotonic() - began:.0f} s"
        print(f"\r\x1b[2K{line}", end="\n" if over else "", file=stream, flush=True)
        if over:
            return


def compiled_modules() -> int:
    """Number of modules of kernels in Warp's cache; 0 before Warp is imported."""
    warp = sys.modules.get("warp")
    folder = getattr(getattr(warp, "config", None), "kernel_cache_dir", None)
    if not folder:
        return 0
    try:
        return sum(1 for entry in Path(folder).iterdir() if entry.name.startswith("wp_"))
    except OSError:
        return 0
