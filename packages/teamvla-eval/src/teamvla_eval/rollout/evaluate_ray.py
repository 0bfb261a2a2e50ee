"""Evaluation of one policy on one task in the processes of a Ray cluster."""

import logging
import platform
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from teamvla_envs.cluster.engine import check_versions
from teamvla_envs.cluster.workers import WorkerPool, chunk_size
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt
from teamvla_envs.policies import PolicySpec
from teamvla_envs.provenance import installed_versions
from teamvla_envs.seeds import episode_seeds

from teamvla_eval.metrics.episode_record import NOTHING_MEASURED, EpisodeRecord, Measured, Suite
from teamvla_eval.rollout.evaluate import EvaluationSettings, load_policy, measured_episodes, open_env
from teamvla_eval.rollout.suite import EpisodeCallback

_CHUNK = 16  # seeds per task of a worker; at least twice its number of worlds

_log = logging.getLogger(__name__)


def evaluate_on_ray(
    pool: WorkerPool,
    name: str,
    task: str,
    settings: EvaluationSettings,
    trust: bool = False,
    progress: EpisodeCallback | None = None,
    known: Measured = NOTHING_MEASURED,
) -> Suite:
    """Run a policy over the seeds of the settings, with the same records as ``evaluate``.

    Every process has as many worlds as ``evaluate`` would have, because a network rounds differently in another batch
    size. So at most ``episodes / num_envs`` processes have work.

    Args:
        pool: Worker processes.
        name: Specification of the policy; every process loads it.
        task: Task name.
        settings: Settings; ``num_envs`` and ``threads`` are those of each process.
        trust: Whether files that can run code may be read.
        progress: Called with each record as its episode ends.
        known: Episodes of an earlier run, which are not run again.
    """
    began = time.perf_counter()
    seeds = episode_seeds(settings.seed_set, settings.episodes, settings.offset).tolist()
    records = {seed: known.records[seed] for seed in seeds if seed in known.records}
    missing = [seed for seed in seeds if seed not in records]
    worlds = min(settings.num_envs, len(seeds))
    size = max(chunk_size(max(len(missing), 1), pool.size, max(2 * worlds, _CHUNK)), worlds)
    starts = range(0, len(missing), size)
    if len(starts) < pool.size:
        _log.info("%d of %d workers have work; a smaller num-envs uses more", len(starts), pool.size)
    chunks = iter([missing[start : start + size] for start in starts])
    work = partial(
        _evaluate_seeds, PolicySpec.parse(name).absolute(), name, task, settings, trust, installed_versions()
    )
    for seed, record in pool.run(work, lambda: next(chunks, [])) if missing else ():
        check_interrupt()
        records[seed] = record
        if progress is not None:
            progress(record)
    wall = round(known.wall_s + time.perf_counter() - began, 3)
    return Suite(name, task, tuple(records[seed] for seed in seeds), wall_s=wall)


def _evaluate_seeds(
    spec: PolicySpec,
    name: str,
    task: str,
    settings: EvaluationSettings,
    trust: bool,
    versions: Mapping[str, str],
    seeds: Sequence[int],
) -> Generator[tuple[int, EpisodeRecord]]:
    """Evaluate some seeds in a worker and yield each with its record as its episode ends."""
    from teamvla_eval.rollout.ablations import ablated

    check_versions(versions, installed_versions())
    if spec.path is not None and not spec.path.exists():
        raise UserError(
            f"policy {name}: the Ray worker on {platform.node()} has no {spec.path}; "
            "a checkpoint must be reachable under the same path on every machine of the cluster"
        )
    whole = replace(settings, threads=settings.threads or 1)
    policy = ablated(load_policy(spec.text, trust), whole)
    with open_env(policy, name, task, whole) as env:
        for record in measured_episodes(env, policy, whole, seeds):
            yield record.seed, record
