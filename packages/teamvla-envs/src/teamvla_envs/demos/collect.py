"""``teamvla collect``: records the expert in many worlds into one demonstration file, and can be interrupted."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tyro

from teamvla_envs.cluster.engine import connect
from teamvla_envs.demos.settings import (
    CollectConfig,
    CollectionSettings,
    make_env,
    worlds_at_once,
)
from teamvla_envs.errors import UserError
from teamvla_envs.files import real_path
from teamvla_envs.interrupts import deferred_interrupts
from teamvla_envs.provenance import simulation_versions
from teamvla_envs.seeds import SEED_SETS

if TYPE_CHECKING:
    from teamvla_envs.demos.seed_queue import SeedSchedule
    from teamvla_envs.demos.unpacked import PartsFolder
    from teamvla_envs.demos.writer import Episode

_PATIENCE: Final = 20  # failed episodes from which on a success rate below 10 % ends the collection


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
def collect(config: CollectConfig) -> None:
    """Record demonstrations of a task's expert into an HDF5 file.

    Only successful episodes are kept. The same command continues an interrupted collection, and the file is
    the same for any number of worlds and workers.

    Args:
        config: The episodes to collect, the file to write and where the episodes run.

    Raises:
        UserError: For bad input; nothing has been simulated or written then.
    """
    from teamvla_envs.demos.collect_ray import record_in_workers
    from teamvla_envs.demos.expert_episodes import record_expert
    from teamvla_envs.demos.finished import is_finished
    from teamvla_envs.demos.seed_queue import SeedSchedule
    from teamvla_envs.demos.unpacked import PartsFolder
    from teamvla_envs.demos.writer import FileHeader, pack_episodes

    settings, episodes, out = config.settings, config.episodes, config.file
    cluster = config.cluster.reach()
    config.check()
    target, versions = real_path(out), simulation_versions()
    parts = PartsFolder(target, asdict(settings) | {"versions": versions}, config.overwrite)
    if parts.path.is_dir() and is_finished(target, settings, versions, episodes):  # killed while it cleaned up
        with closing(parts):
            parts.open()
            parts.remove()
        print(f"{episodes} demonstrations of {settings.task} in {out}, {out.stat().st_size / 1e6:.1f} MB")
        return
    _check_writable(out, config.overwrite)
    seeds = SEED_SETS[settings.seed_set][settings.offset :]
    schedule = SeedSchedule(seeds, episodes, parts.succeeded, parts.failed)
    worlds = min(worlds_at_once(settings, config.num_envs), max(schedule.remaining, 1)) if cluster is None else 1
    needed = cluster if schedule.remaining else None
    with (
        closing(make_env(settings, worlds, config.threads)) as env,
        connect(needed) as pool,
        closing(parts),
        deferred_interrupts(),
    ):
        parts.open()
        try:
            if pool is None:
                finished = record_expert(env, schedule, settings)
            else:
                finished = record_in_workers(pool, settings, config.num_envs, schedule)
            _record(finished, schedule, parts, settings)
            files = parts.succeeded
            collection = {**settings.collection(), "failed_seeds": schedule.failed}
            header = FileHeader.of(env, collection, versions)
            pack_episodes([files[seed] for seed in schedule.kept], target, header)
        except KeyboardInterrupt:
            kept = f"{len(parts.succeeded)} finished episodes are kept in {parts.path}"
            raise KeyboardInterrupt(f"{kept}; the same command continues from there") from None
        parts.remove()
    failed = f"; {len(schedule.failed)} failed seeds were replaced" if schedule.failed else ""
    print(f"{episodes} demonstrations of {settings.task} in {out}, {out.stat().st_size / 1e6:.1f} MB{failed}")


def _check_writable(out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise UserError(f"out is {out}, which is a folder; expected a file")
    if out.exists() and not overwrite:
        raise UserError(f"{out} exists; pass --overwrite to replace it, or another --out")
    folder = next(parent for parent in real_path(out).parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"out is {out}, but {folder} is not a folder that can be written to")


def _record(
    finished: "Iterator[Episode]", schedule: "SeedSchedule", parts: "PartsFolder", settings: CollectionSettings
) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from teamvla_envs.console import plain_console

    failures = TextColumn("{task.fields[failed]} failed")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), failures)
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=plain_console(stderr=True)) as progress:
        done = len(schedule.kept)
        bar = progress.add_task(
            f"collect {settings.task}",
            total=done + schedule.remaining,
            completed=done,
            failed=len(schedule.failed),
        )
        for episode in finished:
            parts.add(episode)
            succeeded, failed = len(schedule.kept), len(schedule.failed)
            progress.update(bar, completed=succeeded, failed=failed)
            if failed >= _PATIENCE and failed > 9 * succeeded:
                raise UserError(
                    f"the expert failed in {failed} of {failed + succeeded} episodes, "
                    f"so the collection stopped; noise is {settings.noise} rad"
                )
    if schedule.remaining:
        missing = f"{schedule.remaining} episodes are missing"
        raise UserError(f"seed set {settings.seed_set!r} has no seeds left, {missing}")
