"""Episode records of a policy over exactly the requested seeds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from teamvla_envs.rollout import FinishedEpisode, Observer, rollout

from teamvla_eval.metrics.episode_record import EpisodeRecord

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.policies import Policy

    from teamvla_eval.metrics.episode_meter import Meter
    from teamvla_eval.rollout.recorder import StateRecorder
    from teamvla_eval.rollout.swapped_goals import SwappedGoals

EpisodeCallback = Callable[[EpisodeRecord], None]


def run_suite(
    env: "TeamVectorEnv",
    policy: "Policy",
    seeds: Sequence[int] | np.ndarray,
    progress: EpisodeCallback | None = None,
    record: "StateRecorder | None" = None,
    meter: "Meter | None" = None,
    swap: "SwappedGoals | None" = None,
) -> list[EpisodeRecord]:
    """Run one episode per seed; see :func:`finished_episodes`.

    Args:
        env: Vector environment made with ``autoreset_mode=AutoresetMode.DISABLED``.
        policy: Policy; it is bound to the environment here.
        seeds: Seeds, shape ``(E,)``, one per episode. Any number, whatever the number of worlds.
        progress: Called with each record as its episode ends.
        record: Keeps the simulator states of chosen episodes, to render them afterwards.
        meter: Measures the metrics of the episodes.
        swap: Replaces the goal that the instruction names, and judges both goals.

    Returns:
        E records in the order of ``seeds``.

    Raises:
        UserError: If the environment resets itself, or the policy does not fit it.
    """
    records: dict[int, EpisodeRecord] = {}
    for index, finished in finished_episodes(env, policy, seeds, record, meter, swap):
        records[index] = finished
        if progress is not None:
            progress(finished)
    return [records[index] for index in range(len(seeds))]


def run_episode(
    env: "TeamVectorEnv", policy: "Policy", seed: int, record: "StateRecorder | None" = None
) -> EpisodeRecord:
    """Run the episode of one seed; see :func:`run_suite`."""
    return run_suite(env, policy, [seed], record=record)[0]


def finished_episodes(
    env: "TeamVectorEnv",
    policy: "Policy",
    seeds: Sequence[int] | np.ndarray,
    record: "StateRecorder | None" = None,
    meter: "Meter | None" = None,
    swap: "SwappedGoals | None" = None,
) -> Iterator[tuple[int, EpisodeRecord]]:
    """Run one episode per seed, shape ``(E,)``; yield the index of the seed and the record as each episode ends.

    Arguments as of :func:`run_suite`.
    """
    observers: list[Observer] = [observer for observer in (meter, swap, record) if observer is not None]
    reset = None if swap is None else swap.reset
    policy.bind(env)
    for end in rollout(env, policy, map(int, seeds), observers, reset):
        finished = _record(env, end)
        if meter is not None:
            finished = replace(finished, metrics=meter.measure(end.world))
        if swap is not None:
            finished = _judged_twice(finished, swap, end.world, env.control_dt)
        yield end.index, finished


def _record(env: "TeamVectorEnv", end: FinishedEpisode) -> EpisodeRecord:
    return EpisodeRecord(
        task=env.task_name,
        seed=end.seed,
        goal=end.goal,
        instruction=end.instruction,
        success=end.success,
        steps=end.steps,
        time_to_success_s=round(end.steps * env.control_dt, 6) if end.success else None,
        episode_return=end.episode_return,
        final_phase=env.phases[end.final_phase],
        end_reason=end.end_reason,
    )


def _judged_twice(said: EpisodeRecord, swap: "SwappedGoals", world: int, dt: float) -> EpisodeRecord:
    """Convert a record judged by the goal of the instruction to one judged by the goal of the seed."""
    step = int(swap.success_step[world])
    return replace(
        said,
        goal=swap.goals[world],
        success=step > 0,
        time_to_success_s=round(step * dt, 6) if step else None,
        said_goal=said.goal,
        said_success=said.success,
    )
