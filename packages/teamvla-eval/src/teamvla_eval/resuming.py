"""Interrupting and resuming a measurement: Ctrl-C and SIGTERM keep the measured episodes."""

import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

from teamvla_eval.console import episode_progress
from teamvla_eval.journal import Journal
from teamvla_eval.records import NOTHING_MEASURED, EpisodeRecord, Measured
from teamvla_eval.rollouts import EpisodeCallback

EXIT_TERMINATED = 128 + signal.SIGTERM


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, which ends a measurement as Ctrl-C does."""


@contextmanager
def resumable(journal: Journal | None) -> Generator[None]:
    """Close the journal in any case; after an interrupt, say what is kept and how to resume.

    Raises:
        KeyboardInterrupt: After Ctrl-C, with that message.
        SystemExit: After SIGTERM, with code 143; the message is printed.
    """
    try:
        with sigterm_interrupts():
            yield
    except TerminatedError:
        with suppress(OSError):
            print(f"terminated: {_kept(journal)}", file=sys.stderr, flush=True)
        raise SystemExit(EXIT_TERMINATED) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(journal)) from None
    finally:
        if journal is not None:
            journal.close()


@contextmanager
def journaled(
    journal: Journal | None, policy: str, task: str, episodes: int, title: str
) -> Generator[tuple[Measured, EpisodeCallback]]:
    """Keep the records of a policy on a task as they come, and show the progress.

    Args:
        journal: Where to; None keeps nothing.
        policy: Name of the policy.
        task: Task name.
        episodes: How many there are in all.
        title: Of the progress bar.

    Yields:
        The episodes that were measured before, and the callback that takes each new record.
    """
    known = NOTHING_MEASURED
    if journal is not None:
        journal.start()
        known = journal.known(policy, task)
    began = time.perf_counter()
    with episode_progress(title, episodes) as progress:

        def finished(record: EpisodeRecord) -> None:
            if journal is not None:
                journal.add(policy, record, known.wall_s + time.perf_counter() - began)
            progress(record)

        for record in known.records.values():
            progress(record)
        yield known, finished


@contextmanager
def sigterm_interrupts() -> Generator[None]:
    """Let SIGTERM raise :class:`TerminatedError` in the main thread; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


def _kept(journal: Journal | None) -> str:
    if journal is None:
        return "the measured episodes are lost; with --out they are kept and the same command resumes"
    if not len(journal):
        return "no episode was finished"
    return f"{len(journal)} measured episodes are kept in {journal.path}; the same command resumes from there"
