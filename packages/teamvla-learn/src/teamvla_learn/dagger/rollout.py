"""Rollouts of a learner in N worlds with expert takeover or labels, recorded as demonstrations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from teamvla_envs.demos import schema
from teamvla_envs.demos.recorder import EpisodeRecorder, observed_arrays
from teamvla_envs.demos.writer import Episode
from teamvla_envs.rollout import Step, rollout

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


def learner_rollout(
    env: Any, policy: Any, seeds: Iterable[int], rule: TakeoverRule, style: Style, horizon: int
) -> Iterator[LearnerEpisode]:
    """Run one episode of the learner per seed, and yield each result as its episode ends.

    In the style ``intervention`` the learner acts until it stalls, strays or is late; then the expert finishes, and
    only its part is recorded. In the style ``classic`` the learner acts throughout, labeled with the expert's actions;
    the steps after the last progress of a stalled learner are discarded.

    Args:
        env: Vector environment with ``obs_mode="vision+state"``, dense reward and autoreset disabled.
        policy: The learner, bound to a :class:`LearnerEnv`.
        seeds: One per episode.
        rule: Conditions under which the learner needs help.
        style: ``intervention`` or ``classic``.
        horizon: Control steps of an episode that the learner may use.
    """
    supervised = _SupervisedLearner(env, policy, rule, style, horizon)
    for episode in rollout(env, supervised, seeds, [supervised]):
        yield supervised.worlds[episode.world].finish(style, episode.success)


class _SupervisedLearner:
    """Policy and observer of a rollout: the learner acts until the expert takes over, and episodes are recorded."""

    def __init__(self, env: Any, policy: Any, rule: TakeoverRule, style: Style, horizon: int):
        self.worlds = [_World(0, "", "", index) for index in range(env.num_envs)]
        self._env, self._policy, self._rule, self._style = env, policy, rule, style
        self._monitor = TakeoverMonitor(rule, env.num_envs, env.num_arms, horizon)
        self._phase = np.zeros(env.num_envs, np.int64)
        self._label = np.zeros(0, np.float32)

    def reset(self, mask: np.ndarray) -> None:
        """Reset the learner in the worlds in ``mask`` (N,) bool."""
        self._policy.reset(mask)

    def act(self, obs: Any) -> np.ndarray:
        """Return the actions of the learner or, after a takeover, of the expert, (N, A*D) float32."""
        self._label = np.clip(self._env.expert_actions(), -1.0, 1.0)
        learner = np.clip(self._policy.act(learner_view(self._policy, obs)), -1.0, 1.0)
        helped = np.array([world.helped for world in self.worlds])
        return np.where(helped[:, None], self._label, learner).astype(np.float32)

    def begin(self, env: Any, worlds: np.ndarray, info: Mapping[str, Any]) -> None:
        """Begin new episodes in ``worlds`` (N,) bool."""
        self._phase = np.where(worlds, info["phase"], self._phase)
        self._monitor.reset(worlds)
        state = env.get_state()
        for index in np.flatnonzero(worlds).tolist():
            goal, instruction = str(info["goal"][index]), str(info["task_description"][index])
            self.worlds[index] = _World(int(env.seeds[index]), goal, instruction, index)
            if self._style == "classic":
                self.worlds[index].begin(state)

    def capture(self, env: Any, step: Step) -> np.ndarray:
        """Record a control step and decide on takeovers; returns the worlds (N,) bool whose labels end here."""
        before = observed_arrays(step.observation) | {
            schema.ACTIONS: step.actions,
            schema.EXPERT_ACTIONS: self._label,
            schema.PHASE: self._phase,
        }
        self._phase = np.asarray(step.info["phase"], np.int64)
        done = step.terminated | step.truncated
        after = {schema.REWARDS: step.reward.astype(np.float32), schema.DONES: done.astype(np.uint8)}
        reasons, state = self._monitor.observe(step.reward, step.actions, self._label), env.get_state()
        cut = np.zeros(len(done), bool)
        for index in np.flatnonzero(step.worlds).tolist():
            world = self.worlds[index]
            if world.recording:
                world.recorder.add(before | after, state)
            if done[index] or not reasons[index] or world.helped:
                continue
            world.reason = REASONS[reasons[index]]
            if self._style == "intervention":
                world.helped = True
                world.begin(state)
            else:
                world.cut, cut[index] = (self._rule.patience if reasons[index] == STALLED else 0), True
        return cut


class LearnerEnv:
    """Proxy of an environment with ``obs_mode="vision+state"`` presented in the mode ``vision`` or ``state``."""

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

    def __init__(self, seed: int, goal: str, instruction: str, index: int):
        self._seed, self.recorder = seed, EpisodeRecorder(seed, goal, instruction, index)
        self.recording, self.helped, self.reason = False, False, ""
        self.cut: int | None = None  # last steps to discard, if the episode was ended early

    def begin(self, state: Mapping[str, np.ndarray]) -> None:
        """Start recording at this state."""
        self.recording = True
        self.recorder.begin(state)

    def finish(self, style: Style, success: bool) -> LearnerEpisode:
        """Return the result of the finished episode."""
        length = len(self.recorder)
        if self.cut is not None:
            return self._result("labeled", False, length - self.cut)
        if style == "classic":
            return self._result("solved" if success else "labeled", success, length)
        if not self.helped:
            return self._result("solved" if success else "lost", success, 0)
        return self._result("rescued" if success else "lost", success, length if success else 0)

    def _result(self, outcome: str, success: bool, length: int) -> LearnerEpisode:
        kept = self.recorder.episode(success, length) if length >= SHORTEST else None
        return LearnerEpisode(self._seed, outcome, self.reason, kept)
