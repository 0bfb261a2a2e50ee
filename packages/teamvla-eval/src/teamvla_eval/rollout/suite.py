"""Rollouts: a policy in the vector environment, over exactly the seeds that were asked for.

Each world is a slot. When the episode in a slot ends, the slot is reset with the next seed of the queue; when
the queue is empty it stays finished, and the environment no longer simulates it. So the number of worlds
decides how long the episodes take, not which episodes there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt

from teamvla_eval.metrics.episode_record import EpisodeRecord

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.policies import Policy

    from teamvla_eval.metrics.episode_meter import Meter
    from teamvla_eval.rollout.recorder import StateRecorder
    from teamvla_eval.rollout.swapped_goals import SwappedGoals

EpisodeCallback = Callable[[EpisodeRecord], None]
_NO_EPISODE = -1


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
        seeds: (E,) seeds, one per episode. Any number, whatever the number of worlds.
        progress: Called with each record as its episode ends.
        record: Keeps the simulator states of chosen episodes, to render them afterwards.
        meter: Measures what happens inside the episodes.
        swap: Lets the sentences tell another goal than the seed's, and judges both.

    Returns:
        E records in the order of ``seeds``.

    Raises:
        UserError: If the environment resets itself, or the policy does not fit it.
    """
    records: dict[int, EpisodeRecord] = {}
    for index, finished in _numbered_episodes(env, policy, seeds, record, meter, swap):
        records[index] = finished
        if progress is not None:
            progress(finished)
    return [records[index] for index in range(len(seeds))]


def finished_episodes(
    env: "TeamVectorEnv",
    policy: "Policy",
    seeds: Sequence[int] | np.ndarray,
    record: "StateRecorder | None" = None,
    meter: "Meter | None" = None,
    swap: "SwappedGoals | None" = None,
) -> Iterator[EpisodeRecord]:
    """Run one episode per seed and yield each record as its episode ends; arguments as of :func:`run_suite`."""
    for _, finished in _numbered_episodes(env, policy, seeds, record, meter, swap):
        yield finished


def _numbered_episodes(
    env: "TeamVectorEnv",
    policy: "Policy",
    seeds: Sequence[int] | np.ndarray,
    record: "StateRecorder | None",
    meter: "Meter | None",
    swap: "SwappedGoals | None",
) -> Iterator[tuple[int, EpisodeRecord]]:
    """Yield the index in ``seeds`` and the record of each episode as it ends."""
    if env.metadata.get("autoreset_mode") != AutoresetMode.DISABLED:
        raise UserError(
            "run_suite needs an environment made with autoreset_mode=AutoresetMode.DISABLED, "
            f"got {env.metadata.get('autoreset_mode')}"
        )
    policy.bind(env)
    episode_seeds = [int(seed) for seed in seeds]
    if not episode_seeds:
        return
    slots = _Slots(env.num_envs, episode_seeds)

    def begin(worlds: np.ndarray) -> Any:
        seeds = slots.seeds.tolist()
        observation, info = (
            env.reset(seed=seeds, options={"reset_mask": worlds}) if swap is None else swap.reset(seeds, worlds)
        )
        policy.reset(worlds)
        slots.begin(info, worlds)
        if meter is not None:
            meter.begin(worlds)
        if record is not None:
            record.begin(env, worlds & slots.active)
        return observation

    observation = begin(np.ones(env.num_envs, dtype=bool))
    while slots.active.any():
        check_interrupt()
        actions = policy.act(observation)
        observation, reward, terminated, truncated, info = env.step(actions)
        if meter is not None:
            meter.capture(slots.active, actions)
        if swap is not None:
            swap.judge(slots.active)
        if record is not None:
            record.capture(env, slots.active)
        slots.advance(reward)
        ended = slots.active & (terminated | truncated)
        for world in np.flatnonzero(ended).tolist():
            success, phase = bool(info["is_success"][world]), env.phases[int(info["phase"][world])]
            finished = _finished_episode(env, slots, world, success, phase)
            finished = replace(finished, end_reason=str(info["end_reason"][world]))
            if meter is not None:
                finished = replace(finished, **meter.measure(world))
            if swap is not None:
                finished = _judged_twice(finished, swap, world, env.control_dt)
            yield int(slots.episode[world]), finished
        refilled = slots.refill(ended)
        if refilled.any():
            observation = begin(refilled)


def run_episode(
    env: "TeamVectorEnv", policy: "Policy", seed: int, record: "StateRecorder | None" = None
) -> EpisodeRecord:
    """Run the episode of one seed; see :func:`run_suite`."""
    return run_suite(env, policy, [seed], record=record)[0]


def _finished_episode(env: "TeamVectorEnv", slots: "_Slots", world: int, success: bool, phase: str) -> EpisodeRecord:
    steps = int(slots.steps[world])
    return EpisodeRecord(
        task=env.task_name,
        seed=int(slots.seeds[world]),
        goal=slots.goals[world],
        instruction=slots.instructions[world],
        success=success,
        steps=steps,
        time_to_success_s=round(steps * env.control_dt, 6) if success else None,
        episode_return=float(slots.returns[world]),
        final_phase=phase,
    )


def _judged_twice(said: EpisodeRecord, swap: "SwappedGoals", world: int, dt: float) -> EpisodeRecord:
    """The record under the seed's goal, of one under the goal that was said."""
    step = int(swap.success_step[world])
    return replace(
        said,
        goal=swap.goals[world],
        success=step > 0,
        time_to_success_s=round(step * dt, 6) if step else None,
        said_goal=said.goal,
        said_success=said.success,
    )


class _Slots:
    """Which episode every world is running, and its running totals."""

    def __init__(self, worlds: int, seeds: Sequence[int]):
        self._queue = seeds
        started = min(worlds, len(seeds))
        self._next = started
        self.episode = np.full(worlds, _NO_EPISODE)
        self.episode[:started] = np.arange(started)
        # A world without an episode still needs a valid scene: it repeats the last seed and is never counted.
        self.seeds = np.array([seeds[min(world, len(seeds) - 1)] for world in range(worlds)])
        self.steps = np.zeros(worlds, dtype=np.int64)
        self.returns = np.zeros(worlds)
        self.goals = [""] * worlds
        self.instructions = [""] * worlds

    @property
    def active(self) -> np.ndarray:
        """(N,) bool: worlds that run a requested episode."""
        return self.episode != _NO_EPISODE

    def begin(self, info: dict, worlds: np.ndarray) -> None:
        """Note goal and sentence of the worlds that were just reset."""
        for world in np.flatnonzero(worlds):
            self.goals[world] = str(info["goal"][world])
            self.instructions[world] = str(info["task_description"][world])
        self.steps[worlds] = 0
        self.returns[worlds] = 0.0

    def advance(self, reward: np.ndarray) -> None:
        """Count one control step."""
        self.steps[self.active] += 1
        self.returns[self.active] += np.asarray(reward, dtype=np.float64)[self.active]

    def refill(self, ended: np.ndarray) -> np.ndarray:
        """Give the next seeds to the worlds that ended; returns the (N,) mask of those that got one."""
        refilled = np.zeros_like(ended)
        for world in np.flatnonzero(ended):
            if self._next < len(self._queue):
                self.episode[world] = self._next
                self.seeds[world] = self._queue[self._next]
                self._next += 1
                refilled[world] = True
            else:
                self.episode[world] = _NO_EPISODE
        return refilled
