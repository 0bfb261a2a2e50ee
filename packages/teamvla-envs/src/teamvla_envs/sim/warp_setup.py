"""Warp's global switches, set once before Newton is first used."""

import contextlib
import os
import threading
from collections.abc import Generator
from functools import lru_cache


@lru_cache
def prepare_warp() -> None:
    """Make Warp quiet and fast to start: no backward kernels, no banner, no complaint about a missing GPU."""
    import warp as wp

    wp.config.log_level = 30  # warnings and errors
    wp.config.enable_backward = False  # halves the compilation; nothing here is differentiated
    with silent_stderr():
        wp.init()


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
    """Say on standard error what takes so long, if it does: a compilation that is cached from then on.

    Args:
        message: What is going on.
        delay: After how long to say so [s].
    """
    stream = os.fdopen(os.dup(2), "w")  # speaks even while silent_stderr is in force
    timer = threading.Timer(delay, lambda: print(message, file=stream, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        stream.close()
