"""Stopping between two steps: Ctrl-C and SIGTERM end a training cleanly, not in the middle of an update."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_flag() -> Generator[Callable[[], bool]]:
    """Note interrupts instead of raising; yields the question whether there was one.

    A second Ctrl-C raises KeyboardInterrupt as usual. Outside the main thread signals are left alone.
    """
    interrupted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: interrupted
        return
    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: interrupted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
