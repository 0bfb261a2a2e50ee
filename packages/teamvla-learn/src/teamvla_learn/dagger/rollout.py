"""Rollouts of a learner in N worlds with expert takeover or labels, recorded as demonstrations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from teamvla_envs.demos import schema
from teamvla_envs.demos.writer import Episode
from teamvla_envs.interrupts import check_interrupt

from teamvla_learn.dagger.takeover import REASONS, STALLED, TakeoverMonitor, TakeoverRule

Style = Literal["intervention", "classic"]
SHORTEST = 5  # minimum number of samples of a recorded demonstration


@dataclass(frozen=True)
class LearnerEpisode:
    """Result of one episode of a learner.

    Attributes:
        seed: Seed of the episode.
        outcome: ``solved`` by the learner alone, ``rescued`` by the expert, ``lost`` despite the expert, or ``labeled``
            with the expert's actions.
        reason: Reason for the takeover or the end of the labels, from ``REASONS``; empty for none.
        kept: Demonstration to learn from, or None.
    """

    seed: int
    outcome: str
    reason: str
    kept: Episode | None


def rollout(
    env: Any, policy: Any, seeds: Iterable[int], rule: TakeoverRule, style: Style, horizon: int
) -> Iterator[LearnerEpisode]:
    """Run one episode of the learner per seed, and yield each result as its episode ends.

    In the style ``intervention`` the learner acts until it stalls, strays or is late; then the expert finishes, and
    only its part is recorded. In the style ``classic`` the learner acts throughout, labeled with the expert's actions;
    the steps after the last progress of a stalled learner are discarded.

    Args:
        env: Vector environment with ``obs_mode="vision+state"``, dense reward and autoreset disabled.
        policy: The learner, bound to an :class:`LearnerEnv`.
        seeds: One per episode.
        rule: Conditions under which the learner needs help.
        style: ``intervention`` or ``classic``.
        horizon: Control steps of an episode that the learner may use.
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
                worlds[index] = _World(
                    int(given[index]), str(info["goal"][index]), str(info["task_description"][index])
                )
                if style == "classic":
                    worlds[index].begin(state, index)  # type: ignore[union-attr]
        if not any(worlds):
            return
        label = np.clip(env.expert_actions(), -1.0, 1.0)
        learner = np.clip(policy.act(learner_view(policy, obs)), -1.0, 1.0)
        helped = np.array([world is not None and world.helped for world in worlds])
        action = np.where(helped[:, None], label, learner).astype(np.float32)
        before = _observed(obs) | {schema.ACTIONS: action, schema.EXPERT_ACTIONS: label, schema.PHASE: phase}
        obs, reward, terminated, truncated, info = env.step(action)
        phase = np.asarray(info["phase"], np.int64)
        done = terminated | truncated
        after = {schema.REWARDS: reward.astype(np.float32), schema.DONES: done.astype(np.uint8)}
        reasons, state = monitor.observe(reward, action, label), env.get_state()
        for index, world in enumerate(worlds):
            if world is None:
                continue
            if world.recording:
                world.add(before | after, state, index)
            if done[index]:
                yield world.finish(style, bool(info["is_success"][index]))
                worlds[index] = None
            elif reasons[index] and not world.helped:
                world.reason = REASONS[reasons[index]]
                if style == "intervention":
                    world.helped = True
                    world.begin(state, index)
                else:
                    yield world.cut(rule.patience if reasons[index] == STALLED else 0)
                    worlds[index] = None


class LearnerEnv:
    """Proxy of an environment with ``obs_mode="vision+state"`` that presents the observation mode of a policy.

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
    """Return the part of a ``vision+state`` observation that a policy reads."""
    return obs["environment_state"] if policy.env_kwargs["obs_mode"] == "state" else obs


class _World:
    """A running episode and its recording."""

    def __init__(self, seed: int, goal: str, instruction: str):
        self._seed, self._goal, self._instruction = seed, goal, instruction
        self._rows: dict[str, list[np.ndarray]] = {}
        self.recording, self.helped, self.reason = False, False, ""

    def begin(self, state: Mapping[str, np.ndarray], index: int) -> None:
        """Start recording at this state."""
        self.recording = True
        self._append({schema.STATES + key: values for key, values in state.items()}, index)

    def add(self, sample: Mapping[str, np.ndarray], next_state: Mapping[str, np.ndarray], index: int) -> None:
        """Record row ``index`` of a step's arrays, whose first axis is the worlds."""
        self._append(sample, index)
        self._append({schema.STATES + key: values for key, values in next_state.items()}, index)

    def finish(self, style: Style, success: bool) -> LearnerEpisode:
        """Return the result of the finished episode."""
        if style == "classic":
            return self._driven("solved" if success else "labeled", success, self._length)
        if not self.helped:
            return self._driven("solved" if success else "lost", success, 0)
        return self._driven("rescued" if success else "lost", success, self._length if success else 0)

    def cut(self, steps: int) -> LearnerEpisode:
        """Return the result of the episode so far, without its last steps."""
        return self._driven("labeled", False, self._length - steps)

    @property
    def _length(self) -> int:
        return len(self._rows.get(schema.ACTIONS, ()))

    def _driven(self, outcome: str, success: bool, length: int) -> LearnerEpisode:
        if length < SHORTEST:
            return LearnerEpisode(self._seed, outcome, self.reason, None)
        arrays = {
            path: np.stack(rows[: length + 1] if path.startswith(schema.STATES) else rows[:length])
            for path, rows in self._rows.items()
        }
        return LearnerEpisode(
            self._seed, outcome, self.reason, Episode(self._seed, self._goal, self._instruction, success, arrays)
        )

    def _append(self, arrays: Mapping[str, np.ndarray], index: int) -> None:
        for path, values in arrays.items():
            self._rows.setdefault(path, []).append(np.array(values[index]))


def _observed(obs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of an observation by their paths in a demonstration file."""
    pixels = {schema.PIXELS + camera: images for camera, images in obs.get("pixels", {}).items()}
    return pixels | {schema.AGENT_POS: obs["agent_pos"], schema.ENVIRONMENT_STATE: obs["environment_state"]}
