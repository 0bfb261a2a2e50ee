"""``teamvla collect``: many experts at once, one demonstration file, nothing lost when it is interrupted."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from teamvla_envs.cluster.engine import Engine, RayEngine, choose_engine, connect
from teamvla_envs.errors import UserError
from teamvla_envs.files import real_path
from teamvla_envs.interrupts import check_interrupt, deferred_interrupts
from teamvla_envs.provenance import simulation_versions
from teamvla_envs.seeds import SEED_SETS, episode_seeds

if TYPE_CHECKING:
    from teamvla_envs.demos.seed_queue import SeedSchedule
    from teamvla_envs.demos.unpacked import PartsFolder
    from teamvla_envs.demos.writer import Episode, FileHeader
    from teamvla_envs.env.vector import TeamVectorEnv

_IMAGE_MEMORY: Final = 2_000_000_000  # what the images of running episodes may take [bytes]
_LONGEST: Final = 300  # steps
_PATIENCE: Final = 20  # failed episodes after which nearly all must not have failed

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CollectionSettings:
    """All that an episode of a collection depends on, besides its seed and the versions of the packages.

    Attributes:
        task: Name of the task.
        num_arms: A.
        cameras: Cameras whose images are recorded; None for the task's own, empty for no images.
        image_size: Height and width of the images [pixels].
        seed_set: A name in ``SEED_SETS``.
        offset: Seeds of the set that are left out first.
        noise: Scale of the noise on the executed actions [rad]; see ``joint_noise``.
        slips: Expected number of slips of an arm in 100 steps; see ``teamvla_envs.demos.noise.slips``.
        detours: Share of the episodes with a detour; see :mod:`teamvla_envs.demos.detours`.
    """

    task: str
    num_arms: int = 2
    cameras: tuple[str, ...] | None = None
    image_size: int = 64
    seed_set: str = "train"
    offset: int = 0
    noise: float = 0.002
    slips: float = 0.3
    detours: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no episode can be collected with."""
        episode_seeds(self.seed_set, 0, self.offset)
        if not 0.0 <= self.noise < 1.0:
            raise UserError(f"noise is {self.noise}, expected a standard deviation of 0 to 1 rad")
        if not 0.0 <= self.slips <= 100.0:
            raise UserError(f"slips is {self.slips}, expected 0 to 100 in 100 steps")
        if not 0.0 <= self.detours <= 1.0:
            raise UserError(f"detours is {self.detours}, expected a share of 0 to 1")
        if self.cameras and len(set(self.cameras)) < len(self.cameras):
            raise UserError(f"cameras are {', '.join(self.cameras)}, expected each once")

    def collection(self) -> dict[str, Any]:
        """Settings that the header of the file repeats."""
        return {
            "policy": "expert",
            "noise": self.noise,
            "slips": self.slips,
            "detours": self.detours,
            "seed_set": self.seed_set,
            "offset": self.offset,
        }


def collect(
    task: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")],
    episodes: int = 100,
    out: Path | None = None,
    images: bool = True,
    image_size: int = 64,
    cameras: tuple[str, ...] | None = None,
    num_envs: int = 16,
    threads: int | None = None,
    num_arms: int = 2,
    seed_set: str = "train",
    offset: int = 0,
    noise: float = 0.002,
    slips: float = 0.3,
    detours: float = 0.0,
    overwrite: bool = False,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Record demonstrations of a task's expert into an HDF5 file.

    Only successful episodes are kept. The same command continues an interrupted collection, and the file is
    the same for any number of worlds and workers.

    Args:
        task: Name of the task, such as lift.
        episodes: Successful episodes to keep.
        out: File to write; by default demos/TASK.hdf5.
        images: Whether to record camera images.
        image_size: Height and width of the images [pixels].
        cameras: Cameras to record; by default those of the task.
        num_envs: Worlds that run at once; with --engine ray in each worker.
        threads: Processor cores to use; by default all that this process may. With --engine ray a worker uses one.
        num_arms: Arms of the team.
        seed_set: Seeds to use: train, validation or test.
        offset: Seeds of the set to leave out first.
        noise: Noise on the executed joint motion, whose clean label is kept: standard deviation of what each
            step adds [rad].
        slips: Expected number of mistakes of an arm in 100 steps, from which the expert recovers: it drifts off,
            or closes its gripper on nothing.
        detours: Share of the episodes in which the arms move towards another goal for a while: then only the
            sentence tells what is right, not the hands.
        overwrite: Replace an existing file, and throw away unfinished episodes of other settings.
        engine: Where episodes run: local, or ray for the machines of a Ray cluster.
        workers: Processes of the Ray cluster; by default one per processor.
        address: HOST:PORT of a running Ray cluster; by default RAY_ADDRESS, or else this machine alone.
    """
    settings = CollectionSettings(
        task,
        num_arms,
        cameras if images else (),
        image_size if images else 64,
        seed_set,
        offset,
        noise,
        slips,
        detours,
    )
    cluster = choose_engine(engine, workers, address)
    collect_demos(settings, episodes, out or Path("demos") / f"{task}.hdf5", num_envs, overwrite, cluster, threads)


def collect_demos(
    settings: CollectionSettings,
    episodes: int,
    out: Path,
    num_envs: int = 16,
    overwrite: bool = False,
    cluster: RayEngine | None = None,
    threads: int | None = None,
) -> None:
    """Collect demonstrations, or go on where an interrupted collection of the same settings stopped.

    Args:
        settings: What to collect.
        episodes: How many successful episodes.
        out: File to write.
        num_envs: Worlds that run at once, in each process; the file is the same for any number.
        overwrite: Replace an existing file, and throw away unfinished episodes of other settings.
        cluster: Where the episodes run; None for this process.
        threads: Threads of this process; None for one per core.

    Raises:
        UserError: For bad input; nothing has been simulated or written then.
    """
    from teamvla_envs.demos.collect_ray import record_spread
    from teamvla_envs.demos.finished import is_finished
    from teamvla_envs.demos.recorder import record_expert
    from teamvla_envs.demos.seed_queue import SeedSchedule
    from teamvla_envs.demos.unpacked import PartsFolder
    from teamvla_envs.demos.writer import pack_episodes

    for name, value in (("episodes", episodes), ("num-envs", num_envs), ("threads", threads)):
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}, expected 1 or more")
    episode_seeds(settings.seed_set, episodes, settings.offset)
    target, versions = real_path(out), simulation_versions()
    parts = PartsFolder(target, asdict(settings) | {"versions": versions}, overwrite)
    if parts.path.is_dir() and is_finished(target, settings, versions, episodes):  # killed while it cleaned up
        with closing(parts):
            parts.open()
            parts.remove()
        print(f"{episodes} demonstrations of {settings.task} in {out}, {out.stat().st_size / 1e6:.1f} MB")
        return
    _check_writable(out, overwrite)
    seeds = SEED_SETS[settings.seed_set][settings.offset :]
    schedule = SeedSchedule(seeds, episodes, parts.succeeded, parts.failed)
    worlds = min(worlds_at_once(settings, num_envs), max(schedule.remaining, 1)) if cluster is None else 1
    needed = cluster if schedule.remaining else None
    with (
        closing(make_env(settings, worlds, threads)) as env,
        connect(needed) as pool,
        closing(parts),
        deferred_interrupts(),
    ):
        parts.open()
        try:
            if pool is None:
                finished = record_expert(env, schedule, settings.noise, settings.slips, settings.detours)
            else:
                finished = record_spread(pool, settings, num_envs, schedule)
            _record(finished, schedule, parts, settings)
            files = parts.succeeded
            header = _header(env, settings, schedule)
            pack_episodes([files[seed] for seed in schedule.kept], target, header, check_interrupt)
        except KeyboardInterrupt:
            kept = f"{len(parts.succeeded)} finished episodes are kept in {parts.path}"
            raise KeyboardInterrupt(f"{kept}; the same command goes on from there") from None
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


def worlds_at_once(settings: CollectionSettings, num_envs: int) -> int:
    """Return how many worlds of those asked for can run at once, so that their images fit into memory."""
    num_cameras = 3 if settings.cameras is None else len(settings.cameras)
    memory = max(num_cameras * 3 * settings.image_size**2 * _LONGEST, 1)
    fitting = max(_IMAGE_MEMORY // memory, 1)
    if fitting < num_envs:
        _log.info("running %d worlds at once instead of %d: their images fill the memory", fitting, num_envs)
    return min(num_envs, fitting)


def make_env(settings: CollectionSettings, num_envs: int, num_threads: int | None = None) -> "TeamVectorEnv":
    """Make the environment that a collection records, of so many worlds."""
    from gymnasium.vector import AutoresetMode

    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.registration import get_task

    get_task(settings.task).get_expert()
    return TeamVectorEnv(
        settings.task,
        num_envs=num_envs,
        num_arms=settings.num_arms,
        obs_mode="vision+state",
        cameras=settings.cameras,
        image_size=settings.image_size,
        autoreset_mode=AutoresetMode.DISABLED,
        num_threads=num_threads,
    )


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


def _header(env: "TeamVectorEnv", settings: CollectionSettings, schedule: "SeedSchedule") -> "FileHeader":
    from teamvla_envs.demos import schema
    from teamvla_envs.demos.writer import FileHeader
    from teamvla_envs.registration import environment_id

    versions = simulation_versions()
    return FileHeader(
        env_args={
            "env_name": environment_id(settings.task),
            "type": schema.ENV_TYPE,
            "env_version": versions["teamvla-envs"],
            "env_kwargs": env.env_kwargs,
        },
        versions=versions,
        collection={
            **settings.collection(),
            "failed_seeds": schedule.failed,
        },
        action_parts=env.action_parts,
        agent_pos_parts=env.agent_pos_parts,
        environment_state_parts=env.environment_state_parts,
    )
