"""Recording of the simulator states of whole episodes, from which videos are rendered afterwards.

A state has hundreds of numbers and an image hundreds of thousands, so recording every state is cheap, and the episodes
to render can be chosen when all have ended.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.rollout import Step

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Trajectory:
    """All states of one episode.

    Attributes:
        seed: Seed of the episode.
        states: Arrays of ``env.get_state()`` stacked over time, first axis T + 1: the initial state, then the
            state after every control step.
    """

    seed: int
    states: State

    def __len__(self) -> int:
        """Number of states, T + 1."""
        return len(next(iter(self.states.values())))


class StateRecorder:
    """Observer that records the states of chosen episodes during :func:`teamvla_eval.rollout.suite.run_suite`.

    Args:
        seeds: Seeds of the episodes to keep; None keeps all.
    """

    def __init__(self, seeds: Collection[int] | None = None):
        self._seeds = None if seeds is None else frozenset(int(seed) for seed in seeds)
        self._episodes: dict[int, list[State]] = {}
        self._running: dict[int, list[State]] = {}

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the kept episodes, in the order in which they began."""
        return tuple(self._episodes)

    def trajectory(self, seed: int) -> Trajectory:
        """Recorded episode of a seed; of a seed that ran several times, the one that began last.

        Raises:
            KeyError: If no episode of this seed was kept.
        """
        if seed not in self._episodes:
            raise KeyError(f"no states were kept for seed {seed}")
        states = self._episodes[seed]
        return Trajectory(seed, {key: np.stack([state[key] for state in states]) for key in states[0]})

    def begin(self, env: "TeamVectorEnv", worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        """Start an episode in each of ``worlds``, shape ``(N,)`` bool, with its present state."""
        for world in np.flatnonzero(worlds).tolist():
            seed = int(env.seeds[world])
            self._running.pop(world, None)
            if self._seeds is None or seed in self._seeds:
                self._running[world] = self._episodes[seed] = []
        self._append(env, worlds)

    def capture(self, env: "TeamVectorEnv", step: Step) -> None:
        """Append the present state of the running worlds to their episodes."""
        self._append(env, step.worlds)

    def _append(self, env: "TeamVectorEnv", worlds: np.ndarray) -> None:
        kept = [world for world in np.flatnonzero(worlds).tolist() if world in self._running]
        if not kept:
            return
        state = env.get_state()
        for world in kept:
            self._running[world].append({key: value[world].copy() for key, value in state.items()})
