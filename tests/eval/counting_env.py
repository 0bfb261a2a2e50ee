"""A test double of the vector environment: every episode lasts as many steps as its seed says.

The slot logic of a rollout is about who is reset when; with known episode lengths its answers can be written
down, which no physics allows. Odd seeds succeed, even seeds run out of time.
"""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode


def make_counting_env(num_envs: int, **kwargs: Any) -> Any:
    """The double, typed so that it can stand where the real environment is expected."""
    return _CountingEnv(num_envs, **kwargs)


def episode_length(seed):
    """Control steps of the episode with this seed, 1 to 7."""
    return seed % 7 + 1


class _CountingEnv:
    task_name = "count"
    phases = ("begin", "end")
    control_dt = 0.5
    num_arms = 1
    action_size = 1

    def __init__(self, num_envs, autoreset_mode=AutoresetMode.DISABLED):
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": autoreset_mode}
        self.seeds = np.full(num_envs, -1)
        self.steps = np.zeros(num_envs, dtype=np.int64)
        self.episodes_begun = []

    def reset(self, *, seed, options=None):
        assert len(seed) == self.num_envs
        mask = np.ones(self.num_envs, dtype=bool) if options is None else options["reset_mask"]
        self.seeds[mask] = np.asarray(seed)[mask]
        self.steps[mask] = 0
        self.episodes_begun += self.seeds[mask].tolist()
        return self._observation(), self._info()

    def step(self, actions):
        assert actions.shape == (self.num_envs, 1)
        running = ~self._finished()
        self.steps[running] += 1
        finished, succeeds = self._finished(), self.seeds % 2 == 1
        terminated, truncated = finished & succeeds, finished & ~succeeds
        return self._observation(), running.astype(float), terminated, truncated, self._info()

    def get_state(self):
        return {"seed": self.seeds.copy(), "steps": self.steps.copy()}

    def set_state(self, state, mask=None):
        self.seeds, self.steps = state["seed"].copy(), state["steps"].copy()
        return self._observation(), self._info()

    def render_frames(self, camera, size, worlds):
        """A frame whose gray level is the step count."""
        return np.stack([np.full((*size, 3), self.steps[world], dtype=np.uint8) for world in worlds])

    def close(self):
        pass

    def _finished(self):
        return self.steps >= self.seeds % 7 + 1

    def _observation(self):
        return self.steps[:, None].astype(np.float32)

    def _info(self):
        sentences = [f"count to {episode_length(seed)}" for seed in self.seeds]
        return {
            "goal": np.array([f"goal_{seed % 3}" for seed in self.seeds], dtype=object),
            "task_description": np.array(sentences, dtype=object),
            "phase": self._finished().astype(np.int64),
            "is_success": self._finished() & (self.seeds % 2 == 1),
            "end_reason": np.where(self.seeds % 2 == 1, "success", "time_limit"),
        }


class CountingPolicy:
    """Remembers in which worlds it was told that an episode begins."""

    def __init__(self):
        self.env_kwargs = {}
        self.resets = 0

    def bind(self, env):
        self.env = env

    def reset(self, mask):
        assert (self.env.steps[mask] == 0).all()
        self.resets += int(mask.sum())

    def act(self, obs):
        return np.zeros((self.env.num_envs, 1), dtype=np.float32)
