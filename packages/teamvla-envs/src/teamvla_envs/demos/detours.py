"""Detours: for a while the arms move towards another goal, while the label stays the expert's correct action.

In a plain demonstration the motion of the arms soon reveals the goal, and a policy that sees it can ignore the
instruction. After a detour the arms point at the wrong object, and only the instruction identifies the right one.
Grippers follow the correct action throughout, so that nothing is dropped on the way.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from teamvla_envs.env.saved_state import with_facts

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

SHORTEST, LONGEST = 8, 40  # steps of a detour
LATEST: Final = 100  # step at which one begins at the latest
_STREAM: Final = 0xDE70  # keeps these draws apart from others of the same seed


class Detours:
    """The detours of the episodes that run in an environment.

    Args:
        env: The environment.
        rate: Share of the episodes that have one; half of them at the beginning.
    """

    def __init__(self, env: "TeamVectorEnv", rate: float):
        self._env, self._rate = env, rate
        self._elsewhere: TeamVectorEnv | None = None
        self._facts: dict[str, np.ndarray] = {}
        self._begin, self._end = np.zeros((2, env.num_envs), np.int64)

    def begin(self, worlds: np.ndarray, seeds: list[int]) -> None:
        """Draw the detours of the episodes that begin in ``worlds`` (N,) bool; they depend on the seeds alone."""
        if not self._rate:
            return
        goals: list[str | None] = [None] * self._env.num_envs
        for world in np.flatnonzero(worlds).tolist():
            rng = np.random.default_rng((_STREAM, seeds[world]))
            others = [goal for goal in self._env.task.goals if goal != self._env.goal_names[world]]
            goals[world] = others[rng.integers(len(others))]
            happens, early = rng.random(2) < (self._rate, 0.5)
            begin, steps = 0 if early else int(rng.integers(LATEST)), int(rng.integers(SHORTEST, LONGEST + 1))
            self._begin[world], self._end[world] = begin, begin + steps * happens
        env = self._other_env()
        env.reset(seed=seeds, options={"reset_mask": worlds, "goal": goals})
        for key, values in env.episode_facts().items():
            known = self._facts.setdefault(key, values)
            known[worlds] = values[worlds]

    def lead(self, action: np.ndarray, state: dict[str, np.ndarray], steps: np.ndarray) -> np.ndarray:
        """Return the expert's actions (N, A*D), with joint motions towards the other goal in worlds on a detour.

        Args:
            action: (N, A*D), the correct actions.
            state: The environment's present state.
            steps: (N,) control steps of each episode.
        """
        away = (self._begin <= steps) & (steps < self._end)
        if not away.any():
            return action
        env = self._other_env()
        env.set_state(with_facts(state, self._facts))
        arms = (env.num_envs, env.num_arms, -1)
        led, right = env.expert_actions().reshape(arms), action.reshape(arms)
        led[..., -1] = right[..., -1]
        return np.where(away[:, None, None], led, right).reshape(action.shape)

    def close(self) -> None:
        """Free the environment of the other goals."""
        if self._elsewhere is not None:
            self._elsewhere.close()

    def _other_env(self) -> "TeamVectorEnv":
        """The same scenes with other goals, never rendered."""
        if self._elsewhere is None:
            from teamvla_envs.env.vector import TeamVectorEnv

            kwargs: dict[str, Any] = {**self._env.env_kwargs, "obs_mode": "state"}
            for name in ("task", "cameras", "image_size", "image_channels"):
                kwargs.pop(name, None)
            self._elsewhere = TeamVectorEnv(
                self._env.task_name, self._env.num_envs, autoreset_mode="Disabled", **kwargs
            )
        return self._elsewhere
