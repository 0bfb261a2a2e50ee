"""Measurement of every policy on every task over the same episodes, with provenance and videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teamvla_envs.cluster.engine import RayEngine, connect
from teamvla_envs.interrupts import check_interrupt, deferred_interrupts
from teamvla_envs.provenance import git_state, hardware, installed_versions

from teamvla_eval.commands.resuming import journaled
from teamvla_eval.metrics.episode_record import Suite
from teamvla_eval.results.journal import Journal
from teamvla_eval.results.results import BenchResults
from teamvla_eval.rollout.ablations import ablated
from teamvla_eval.rollout.evaluate import EvaluationSettings, evaluate, open_env
from teamvla_eval.rollout.evaluate_ray import evaluate_on_ray
from teamvla_eval.rollout.swapped_goals import SwappedGoals

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.policies import Policy

    from teamvla_eval.report.videos import Clip


@dataclass(frozen=True)
class BenchRun:
    """Results and videos of a benchmark.

    Attributes:
        results: Results with every episode.
        clips: Videos of some episodes.
        phases: Task to the names of its phases, in order.
    """

    results: BenchResults
    clips: "tuple[Clip, ...]"
    phases: Mapping[str, tuple[str, ...]]


def run_benchmark(
    policies: "Mapping[str, Policy]",
    tasks: Sequence[str],
    settings: EvaluationSettings,
    command: str,
    videos: int = 0,
    cluster: RayEngine | None = None,
    trust: bool = False,
    journal: Journal | None = None,
) -> BenchRun:
    """Measure policies on tasks.

    Args:
        policies: Name to policy.
        tasks: Task names.
        settings: Settings that all policies share.
        command: Command line that repeats the run.
        videos: Videos per policy and task.
        cluster: Ray cluster in which the episodes run; None for this process.
        trust: Whether the cluster's processes may read files that can run code.
        journal: Keeps every record as its episode ends; episodes of an interrupted run are not run again.

    Raises:
        UserError: If a policy cannot act in a task under these settings; then no episode was run.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds") if journal is None else journal.started
    suites: list[Suite] = []
    clips: list[Clip] = []
    phases: dict[str, tuple[str, ...]] = {}
    with connect(cluster) as pool:
        _check_pairs(policies, tasks, settings)
        for name, policy in policies.items():
            loaded = ablated(policy, settings)
            for task in tasks:
                with open_env(loaded, name, task, settings) as env:
                    title = f"{task} · {name}"
                    with journaled(journal, name, task, settings.episodes, title) as (known, finished):
                        suite = (
                            evaluate(env, loaded, name, settings, finished, known=known)
                            if pool is None
                            else evaluate_on_ray(pool, name, task, settings, trust, finished, known)
                        )
                    suites.append(suite)
                    phases[task] = tuple(env.phases)
                    clips += _clips(env, loaded, suites[-1], settings, videos)
    results = BenchResults(
        command=command,
        versions=installed_versions(),
        settings=settings.to_json(),
        suites=tuple(suites),
        git=git_state(),
        hardware=hardware(),
        started=started,
    )
    return BenchRun(results, tuple(clips), phases)


def _check_pairs(policies: "Mapping[str, Policy]", tasks: Sequence[str], settings: EvaluationSettings) -> None:
    """Check that every policy fits every task before anything is measured."""
    one_world = replace(settings, num_envs=1)
    pairs = [(name, task) for name in policies for task in tasks]
    for name, task in pairs[1:]:  # the first one is opened next
        with open_env(ablated(policies[name], settings), name, task, one_world) as env:
            if settings.swap_instruction:
                SwappedGoals(env)


def _clips(
    env: "TeamVectorEnv", policy: "Policy", suite: Suite, settings: EvaluationSettings, count: int
) -> "list[Clip]":
    """Videos of some successes and failures, whose episodes run once more to be recorded."""
    if count == 0:
        return []
    with deferred_interrupts():  # rendering imports modules
        from teamvla_eval.report.clip_files import choose_episodes
        from teamvla_eval.report.videos import make_clip
        from teamvla_eval.rollout.recorder import StateRecorder
        from teamvla_eval.rollout.suite import run_suite

        chosen = choose_episodes(suite.records, min(count, len(suite.records)), count // 2)
        recorder, swap = StateRecorder(), SwappedGoals(env) if settings.swap_instruction else None
        clips = []
        for record in run_suite(env, policy, [record.seed for record in chosen], record=recorder, swap=swap):
            clips.append(make_clip(env, recorder.trajectory(record.seed), suite.policy, record))
            check_interrupt()
    return clips
