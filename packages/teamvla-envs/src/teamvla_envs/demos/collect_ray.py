"""Episodes of the expert, recorded in the processes of a Ray cluster."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from teamvla_envs.cluster.engine import check_versions
from teamvla_envs.cluster.workers import WorkerPool, chunk_size
from teamvla_envs.demos.expert_episodes import record_expert
from teamvla_envs.demos.seed_queue import SeedSchedule
from teamvla_envs.demos.settings import CollectionSettings, make_env, worlds_at_once
from teamvla_envs.demos.writer import Episode
from teamvla_envs.interrupts import check_interrupt
from teamvla_envs.provenance import simulation_versions


def record_in_workers(
    pool: WorkerPool, settings: CollectionSettings, num_envs: int, schedule: SeedSchedule
) -> Iterator[Episode]:
    """Yield every finished episode of the schedule's seeds, successful or not; see ``record_expert``.

    Args:
        pool: The processes.
        settings: Settings of the episodes.
        num_envs: Most worlds that run at once in a process.
        schedule: Seeds to run; it receives the outcome of each episode before the episode is yielded.
    """
    chunk = chunk_size(schedule.remaining, pool.size, worlds_at_once(settings, num_envs))

    def take() -> list[int]:
        return [seed for _ in range(chunk) if (seed := schedule.take()) is not None]

    for seed, episode in pool.run(partial(_record_seeds, settings, simulation_versions()), take):
        schedule.finish(seed, episode.success)
        yield episode
        check_interrupt()


def _record_seeds(
    settings: CollectionSettings, versions: Mapping[str, str], seeds: Sequence[int]
) -> Iterator[tuple[int, Episode]]:
    """Record each seed in a world of its own, in a worker."""
    check_versions(versions, simulation_versions())
    with closing(make_env(settings, len(seeds), num_threads=1)) as env:
        schedule = SeedSchedule(seeds, len(seeds))
        for episode in record_expert(env, schedule, settings):
            yield episode.seed, episode
