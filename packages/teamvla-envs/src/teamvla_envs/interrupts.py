"""Interrupts: Ctrl-C and SIGTERM stop a command at a point where no result is lost.

Python raises KeyboardInterrupt at any point, even in callbacks that swallow it and in the middle of an import, which
reports it as another error. So the program handles signals itself: during an import, or while arguments are parsed,
it exits at once; while a loop defers them, they are noted, and the loop stops between two steps; otherwise they raise
KeyboardInterrupt.
"""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
EXIT_INTERRUPTED: Final = 130
_SHOW_CURSOR: Final = "\x1b[?25h"  # a progress bar hides it

_noted: set[int] = set()  # signals that came while signals were deferred
_raised = False  # whether the program raised KeyboardInterrupt, which something may have swallowed
_deferring = False


@contextmanager
def deferred_interrupts() -> Generator[None]:
    """Note interrupts instead of raising them, until :func:`check_interrupt` or the end of the block raises.

    The loop inside calls :func:`check_interrupt` between two steps. A second signal of a kind raises KeyboardInterrupt
    at once; a launcher of several processes sends SIGTERM after the terminal's SIGINT. Within another such block, and
    outside the main thread, this does nothing.
    """
    global _deferring
    if _deferring or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = _handle(_note)
    _deferring = True
    _noted.clear()
    try:
        yield
    finally:
        _deferring, noted = False, set(_noted)
        _noted.clear()
        _restore(previous)
    if noted:
        signal.raise_signal(min(noted))


def interrupt_noted() -> bool:
    """Return whether an interrupt is still deferred, or was swallowed before."""
    return bool(_noted) or _raised


def check_interrupt(message: str = "") -> None:
    """Raise KeyboardInterrupt if an interrupt is still deferred, or was swallowed before.

    Args:
        message: Information for the user, such as the kept results and how to continue.
    """
    global _raised
    if interrupt_noted():
        _raised = False
        _noted.clear()
        raise KeyboardInterrupt(message) if message else KeyboardInterrupt


@contextmanager
def handled_interrupts() -> Generator[None]:
    """Handle signals as the program does: end quietly during imports, else raise KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _raised
    previous = _handle(_interrupt)
    try:
        yield
    finally:
        _raised = False
        _restore(previous)


def _handle(handler: Any) -> dict[int, Any]:
    """Install a handler and return the present ones; signals that are ignored stay ignored."""
    present: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    for number, before in present.items():
        if before is not signal.SIG_IGN:
            signal.signal(number, handler)
    return present


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:  # None is a handler of another language
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _raised
    _raised = True
    _raise(number, frame)


def _note(number: int, frame: FrameType | None) -> None:
    if number in _noted:
        _raise(number, frame)
    _noted.add(number)


def _raise(number: int, frame: FrameType | None) -> None:
    if _is_starting(frame):
        for stream, text in ((sys.stdout, ""), (sys.stderr, _SHOW_CURSOR if os.isatty(2) else "")):
            with suppress(Exception):
                stream.write(text)
                stream.flush()
        os._exit(EXIT_INTERRUPTED)
    raise KeyboardInterrupt


def _is_starting(frame: FrameType | None) -> bool:
    """Return whether the stack of a frame is importing a module or, outside of our own functions, parsing arguments."""
    running = False
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if frame.f_code.co_filename.startswith("<frozen importlib") or (name.startswith("tyro.") and not running):
            return True
        running = running or name.startswith("teamvla_")
        frame = frame.f_back
    return False
