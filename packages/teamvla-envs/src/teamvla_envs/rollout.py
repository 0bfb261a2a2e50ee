"""Rollouts: a policy acts in N worlds, over exactly the seeds of a queue.

Each world is a slot. When the episode in a slot ends, the slot is reset with the next seed of the queue; when the queue
is empty, the world stays finished and is no longer simulated. So the number of worlds decides how long the episodes
take, not which episodes there are. Evaluation, DAgger and validation are configurations of :func:`rollout`: they differ
in the policy and in the observers::

    for episode in rollout(env, policy, seeds, observers=[recorder]):
        print(episode.seed, episode.success)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode

from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

Reset = Callable[[list[int], np.ndarray], tuple[Any, dict[str, Any]]]
_NO_EPISODE = -1


class Acting(Protocol):
    """The part of a policy that a rollout uses; see ``teamvla_envs.policies.Policy``."""

    def reset(self, mask: np.ndarray) -> None:
        """Forget the past of the worlds in ``mask``, shape ``(N,)`` bool."""

    def act(self, obs: Any) -> np.ndarray:
        """Return actions in [-1, 1], shape ``(N, A * D)`` float32."""


@dataclass(frozen=True)
class Step:
    """One control step of N worlds; ``Step(worlds, observation, actions, *env.step(actions))``.

    Attributes:
        worlds: Worlds that run an episode of the queue, shape ``(N,)`` bool.
        observation: Observation before the step.
        actions: Actions of the step, shape ``(N, A * D)``.
        next_observation: Observation after the step.
        reward: Shape ``(N,)``.
        terminated: Shape ``(N,)`` bool.
        truncated: Shape ``(N,)`` bool.
        info: Info after the step.
    """

    worlds: np.ndarray
    observation: Any
    actions: np.ndarray
    next_observation: Any
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    info: Mapping[str, Any]


class Observer(Protocol):
    """Watches a rollout, for example to record or to measure it."""

    def begin(self, env: "TeamVectorEnv", worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        """Called after the reset that begins new episodes in ``worlds``, shape ``(N,)`` bool."""

    def capture(self, env: "TeamVectorEnv", step: Step) -> np.ndarray | None:
        """Called after every control step.

        Returns:
            Worlds whose episodes end here before the environment ends them, shape ``(N,)`` bool; None for none.
        """


@dataclass(frozen=True)
class FinishedEpisode:
    """An episode that has ended.

    Attributes:
        index: Position of its seed in the queue.
        world: World that ran it.
        seed: Seed of the episode.
        goal: Name of the goal variant.
        instruction: Instruction of the episode.
        steps: Number of control steps.
        episode_return: Undiscounted sum of rewards.
        success: Whether the goal was reached and held.
        final_phase: Index of the task's phase at the last step.
        end_reason: Reason given by the environment; empty if an observer ended the episode.
    """

    index: int
    world: int
    seed: int
    goal: str
    instruction: str
    steps: int
    episode_return: float
    success: bool
    final_phase: int
    end_reason: str


def rollout(
    env: "TeamVectorEnv",
    policy: Acting,
    seeds: Iterable[int],
    observers: Sequence[Observer] = (),
    reset: Reset | None = None,
) -> Iterator[FinishedEpisode]:
    """Run one episode per seed and yield each as it ends, before its world begins the next one.

    Args:
        env: Vector environment made with ``autoreset_mode=AutoresetMode.DISABLED``.
        policy: Policy, already bound to the environment.
        seeds: Seeds of the episodes; read lazily, whenever a world is free.
        observers: Called at the beginning of episodes and after every step, in this order.
        reset: Called in place of ``env.reset`` with N seeds and the ``(N,)`` bool mask of the worlds to reset.

    Raises:
        UserError: If the environment resets itself.
    """
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.DISABLED:
        raise UserError(f"a rollout needs autoreset_mode=AutoresetMode.DISABLED, the environment has {mode}")
    queue, slots, observation = iter(seeds), _Slots(env.num_envs), None
    while True:
        check_interrupt()
        begun = slots.fill(queue)
        if not slots.active.any():
            return
        if begun.any():
            mask = np.ones_like(begun) if observation is None else begun
            observation, info = (
                env.reset(seed=slots.seeds.tolist(), options={"reset_mask": mask})
                if reset is None
                else reset(slots.seeds.tolist(), mask)
            )
            policy.reset(mask)
            slots.begin(begun, info)
            for observer in observers:
                observer.begin(env, begun, info)
        actions = policy.act(observation)
        step = Step(slots.active, observation, actions, *env.step(actions))
        observation = step.next_observation
        ended = np.asarray(step.terminated | step.truncated)
        for observer in observers:
            cut = observer.capture(env, step)
            ended = ended if cut is None else ended | cut
        slots.advance(step.reward)
        for world in np.flatnonzero(step.worlds & ended).tolist():
            yield slots.finish(world, step.info)


class _Slots:
    """Episode of each world, and its running totals."""

    def __init__(self, worlds: int):
        self._taken = 0
        self._index = np.full(worlds, _NO_EPISODE)
        self.seeds = np.zeros(worlds, dtype=np.int64)
        self._steps = np.zeros(worlds, dtype=np.int64)
        self._returns = np.zeros(worlds)
        self._goals = [""] * worlds
        self._instructions = [""] * worlds

    @property
    def active(self) -> np.ndarray:
        """Worlds that run an episode of the queue, shape ``(N,)`` bool."""
        return self._index != _NO_EPISODE

    def fill(self, queue: Iterator[int]) -> np.ndarray:
        """Give the next seeds to free worlds; returns the worlds that got one, shape ``(N,)`` bool."""
        begun = np.zeros(len(self.seeds), dtype=bool)
        first = self._taken == 0
        for world in np.flatnonzero(~self.active).tolist():
            seed = next(queue, None)
            if seed is None:
                if first and world:  # a world without an episode needs a valid scene: that of the last seed
                    self.seeds[world:] = self.seeds[world - 1]
                break
            self._index[world], self.seeds[world], begun[world] = self._taken, seed, True
            self._taken += 1
        return begun

    def begin(self, worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        """Store goal and instruction of the worlds that were just reset."""
        for world in np.flatnonzero(worlds):
            self._goals[world] = str(info["goal"][world])
            self._instructions[world] = str(info["task_description"][world])
        self._steps[worlds] = 0
        self._returns[worlds] = 0.0

    def advance(self, reward: np.ndarray) -> None:
        """Count one control step."""
        self._steps[self.active] += 1
        self._returns[self.active] += np.asarray(reward, dtype=np.float64)[self.active]

    def finish(self, world: int, info: Mapping[str, Any]) -> FinishedEpisode:
        """Free a world and return its episode."""
        index, self._index[world] = int(self._index[world]), _NO_EPISODE
        return FinishedEpisode(
            index=index,
            world=world,
            seed=int(self.seeds[world]),
            goal=self._goals[world],
            instruction=self._instructions[world],
            steps=int(self._steps[world]),
            episode_return=float(self._returns[world]),
            success=bool(info["is_success"][world]),
            final_phase=int(info["phase"][world]),
            end_reason=str(info["end_reason"][world]),
        )
