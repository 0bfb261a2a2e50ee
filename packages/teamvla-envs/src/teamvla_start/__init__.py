"""The ``teamvla`` program before anything is imported: from here on Ctrl-C and SIGTERM end it quietly."""

import atexit
import os
import signal

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def _end_at_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a background job, which Ctrl-C must not reach
            signal.signal(number, lambda *_: os._exit(EXIT_INTERRUPTED))


def _ignore_signals() -> None:
    """Let nothing kill the interpreter while it shuts down, when Python handles signals no more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Run ``teamvla`` with the command line's arguments and exit."""
    import sys

    try:
        os.getcwd()
    except FileNotFoundError:
        sys.exit(_deleted())
    from teamvla_envs.cli import main as run

    code = run()
    _end_at_signals()  # while the interpreter shuts down, too
    sys.exit(code)


def _deleted() -> int:
    """Say that the working directory is gone, without which some packages cannot be imported."""
    import sys

    print("error: the working directory was deleted; change to one that exists", file=sys.stderr)
    return EXIT_USER_ERROR


_end_at_signals()  # importing this module is the first thing that the program does
atexit.register(_ignore_signals)  # registered first, so called last
