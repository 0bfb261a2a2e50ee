"""Interruption and resumption of a measurement: Ctrl-C and SIGTERM keep the measured episodes."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from teamvla_envs.interrupts import deferred_interrupts

from teamvla_eval.metrics.episode_record import NOTHING_MEASURED, EpisodeRecord, Measured
from teamvla_eval.report.console import episode_progress
from teamvla_eval.results.journal import Journal
from teamvla_eval.rollout.suite import EpisodeCallback


@contextmanager
def resumable(journal: Journal | None) -> Generator[None]:
    """Close the journal on exit; after an interrupt, report the kept episodes and how to resume.

    Raises:
        KeyboardInterrupt: With the report as its message.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(journal)) from None
    finally:
        if journal is not None:
            journal.close()


@contextmanager
def finishing(journal: Journal | None) -> Generator[None]:
    """Write results, then delete the journal; after an interrupt, the journal stays.

    Interrupts wait until the block ends or calls ``check_interrupt``: writing imports modules, and during an import
    they would end the program without a message.
    """
    with deferred_interrupts():
        yield
    if journal is not None:
        journal.remove()


@contextmanager
def journaled(
    journal: Journal | None, policy: str, task: str, episodes: int, title: str
) -> Generator[tuple[Measured, EpisodeCallback]]:
    """Append the records of a policy on a task to the journal as episodes end, and show the progress.

    Args:
        journal: Journal; None keeps nothing.
        policy: Name of the policy.
        task: Task name.
        episodes: Total number of episodes.
        title: Title of the progress bar.

    Yields:
        The episodes of an interrupted run, and the callback for each new record.
    """
    known = NOTHING_MEASURED
    if journal is not None:
        journal.start()
        known = journal.known(policy, task)
    began = time.perf_counter()
    with deferred_interrupts(), episode_progress(title, episodes) as progress:

        def finished(record: EpisodeRecord) -> None:
            if journal is not None:
                journal.add(policy, record, known.wall_s + time.perf_counter() - began)
            progress(record)

        for record in known.records.values():
            progress(record)
        yield known, finished


def _kept(journal: Journal | None) -> str:
    if journal is None:
        return "the measured episodes are lost; with --out they are kept and the same command resumes"
    if not len(journal):
        return "no episode was finished"
    return f"{len(journal)} measured episodes are kept in {journal.path}; the same command resumes from there"
