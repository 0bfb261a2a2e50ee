"""The learner drives N worlds, the expert takes over or labels, and what is worth learning becomes demonstrations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from teamvla_envs.demos import schema
from teamvla_envs.demos.recorder import EpisodeRecorder, observed_arrays
from teamvla_envs.demos.writer import Episode
from teamvla_envs.interrupts import check_interrupt

from teamvla_learn.dagger.takeover import REASONS, STALLED, TakeoverMonitor, TakeoverRule

Style = Literal["intervention", "classic"]
SHORTEST = 5  # samples that a demonstration must have to be worth keeping


@dataclass(frozen=True)
class Driven:
    """What came of one seed.

    Attributes:
        seed: Seed of the episode.
        outcome: ``solved`` by the learner alone, ``rescued`` by the expert, ``lost`` although the expert took over, or
            ``labeled`` from beginning to end.
        reason: Why the expert took over, or the labels end: a name in ``REASONS``, or empty.
        kept: What is to be learned from, if anything.
    """

    seed: int
    outcome: str
    reason: str
    kept: Episode | None


def drive(
    env: Any, policy: Any, seeds: Iterable[int], rule: TakeoverRule, style: Style, horizon: int
) -> Iterator[Driven]:
    """Let the learner act on seeds, each once, and yield what comes of each as it ends.

    With interventions the learner drives until it stalls, strays or is late; then the expert finishes, and only its
    part is kept. In the classic style the learner drives all the way, and the expert's actions in its states are the
    labels; what follows the last progress of a stalled learner is cut off.

    Args:
        env: Vector environment with ``obs_mode="vision+state"``, dense reward and autoreset disabled.
        policy: The learner, bound to an :class:`EnvOfLearner`.
        seeds: One per episode.
        rule: When the learner needs help.
        style: ``intervention`` or ``classic``.
        horizon: Control steps that the learner has for an episode.
    """
    queue = iter(seeds)
    monitor = TakeoverMonitor(rule, env.num_envs, env.num_arms, horizon)
    worlds: list[_World | None] = [None] * env.num_envs
    given = np.zeros(env.num_envs, np.int64)
    obs: Any = None
    phase = np.zeros(env.num_envs, np.int64)
    while True:
        check_interrupt()
        begins = np.zeros(env.num_envs, bool)
        for index, world in enumerate(worlds):
            seed = next(queue, None) if world is None else None
            if seed is not None:
                begins[index], given[index] = True, seed
        if begins.any():
            mask = begins if obs is not None else np.ones(env.num_envs, bool)
            obs, info = env.reset(seed=given.tolist(), options={"reset_mask": mask})
            phase = np.where(begins, info["phase"], phase)
            monitor.reset(begins)
            policy.reset(mask)
            state = env.get_state()
            for index in np.flatnonzero(begins).tolist():
                goal, instruction = str(info["goal"][index]), str(info["task_description"][index])
                worlds[index] = world = _World(int(given[index]), goal, instruction, index)
                if style == "classic":
                    world.begin(state)
        if not any(worlds):
            return
        label = np.clip(env.expert_actions(), -1.0, 1.0)
        learner = np.clip(policy.act(learner_view(policy, obs)), -1.0, 1.0)
        helped = np.array([world is not None and world.helped for world in worlds])
        action = np.where(helped[:, None], label, learner).astype(np.float32)
        before = observed_arrays(obs) | {schema.ACTIONS: action, schema.EXPERT_ACTIONS: label, schema.PHASE: phase}
        obs, reward, terminated, truncated, info = env.step(action)
        phase = np.asarray(info["phase"], np.int64)
        done = terminated | truncated
        after = {schema.REWARDS: reward.astype(np.float32), schema.DONES: done.astype(np.uint8)}
        reasons, state = monitor.observe(reward, action, label), env.get_state()
        for index, world in enumerate(worlds):
            if world is None:
                continue
            if world.recording:
                world.add(before | after, state)
            if done[index]:
                yield world.finish(style, bool(info["is_success"][index]))
                worlds[index] = None
            elif reasons[index] and not world.helped:
                world.reason = REASONS[reasons[index]]
                if style == "intervention":
                    world.helped = True
                    world.begin(state)
                else:
                    yield world.cut(rule.patience if reasons[index] == STALLED else 0)
                    worlds[index] = None


class EnvOfLearner:
    """An environment with ``obs_mode="vision+state"`` that looks to a policy like one with the mode it was trained in.

    Args:
        env: The environment.
        obs_mode: ``vision`` or ``state``.
    """

    def __init__(self, env: Any, obs_mode: str):
        self._env = env
        self.env_kwargs = {**env.env_kwargs, "obs_mode": obs_mode}
        space = env.single_observation_space
        self.single_observation_space = space["environment_state"] if obs_mode == "state" else space

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


def learner_view(policy: Any, obs: Any) -> Any:
    """Return the part of a ``vision+state`` observation that a policy was trained with."""
    return obs["environment_state"] if policy.env_kwargs["obs_mode"] == "state" else obs


class _World:
    """One running episode, of which something may be kept."""

    def __init__(self, seed: int, goal: str, instruction: str, index: int):
        self._seed, self._recorder = seed, EpisodeRecorder(seed, goal, instruction, index)
        self.recording, self.helped, self.reason = False, False, ""

    def begin(self, state: Mapping[str, np.ndarray]) -> None:
        """Record from this state on."""
        self.recording = True
        self._recorder.begin(state)

    def add(self, sample: Mapping[str, np.ndarray], next_state: Mapping[str, np.ndarray]) -> None:
        """Record one step; see :meth:`EpisodeRecorder.add`."""
        self._recorder.add(sample, next_state)

    def finish(self, style: Style, success: bool) -> Driven:
        """Return the episode that has ended."""
        if style == "classic":
            return self._driven("solved" if success else "labeled", success, len(self._recorder))
        if not self.helped:
            return self._driven("solved" if success else "lost", success, 0)
        return self._driven("rescued" if success else "lost", success, len(self._recorder) if success else 0)

    def cut(self, steps: int) -> Driven:
        """Return the episode up to now, without its last steps."""
        return self._driven("labeled", False, len(self._recorder) - steps)

    def _driven(self, outcome: str, success: bool, length: int) -> Driven:
        kept = self._recorder.episode(success, length) if length >= SHORTEST else None
        return Driven(self._seed, outcome, self.reason, kept)
