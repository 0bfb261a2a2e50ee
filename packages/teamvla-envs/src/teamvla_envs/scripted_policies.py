"""Policies without training: the task's expert, random actions, and holding still."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.errors import UserError
from teamvla_envs.policies import Policy

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_RANDOM_STREAM = 0x5EED  # separates these draws from those of the environment with the same seed


def expert(argument: str = "") -> Policy:
    """Make the scripted expert of the environment's task."""
    _refuse_argument("expert", argument)
    return ExpertPolicy()


def random(argument: str = "") -> Policy:
    """Make a policy of uniformly random actions; the argument is an optional seed, as in ``random:7``."""
    if argument and not argument.isdecimal():
        raise UserError(f"policy random:{argument} has seed {argument!r}, expected a number that is not negative")
    return RandomPolicy(int(argument or 0))


def zero(argument: str = "") -> Policy:
    """Make the policy that holds all arms still, grippers half open."""
    _refuse_argument("zero", argument)
    return ZeroPolicy()


class _BoundPolicy:
    """Base of the policies of this module: reference to the bound environment."""

    def __init__(self) -> None:
        self._env: TeamVectorEnv | None = None

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Cheapest observations, because these policies read none."""
        return {"obs_mode": "state"}

    @property
    def env(self) -> "TeamVectorEnv":
        """Environment that this policy is bound to."""
        if self._env is None:
            raise RuntimeError(f"{type(self).__name__} is not bound: call bind(env) before reset and act")
        return self._env

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment."""
        self._env = env

    def reset(self, mask: np.ndarray) -> None:
        """Do nothing, because these policies have no memory."""

    @property
    def _action_shape(self) -> tuple[int, int]:
        return self.env.num_envs, self.env.num_arms * self.env.action_size


class ExpertPolicy(_BoundPolicy):
    """Scripted expert of the task; it reads the world state and keeps no memory."""

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment; UserError if its task has no expert."""
        env.task.get_expert()
        super().bind(env)

    def act(self, obs: Any) -> np.ndarray:
        """Return the expert's actions in the current state, shape ``(N, A * D)`` float32."""
        return self.env.expert_actions()


class ZeroPolicy(_BoundPolicy):
    """Arms that hold still, grippers half open."""

    def act(self, obs: Any) -> np.ndarray:
        """Return actions that keep the commanded positions, shape ``(N, A * D)`` float32."""
        return self.env.hold_actions(gripper=0.0)


class RandomPolicy(_BoundPolicy):
    """Uniformly random actions; each world draws from a generator seeded by its episode.

    Args:
        seed: Further seed, which distinguishes several random policies.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._seed = seed
        self._generators: list[np.random.Generator] = []

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment, with one generator per world."""
        super().bind(env)
        self._generators = [np.random.default_rng((_RANDOM_STREAM, self._seed)) for _ in range(env.num_envs)]

    def reset(self, mask: np.ndarray) -> None:
        """Seed the generators of the worlds in ``mask``, shape ``(N,)`` bool, with the seeds of their episodes."""
        for world in np.flatnonzero(mask):
            episode = max(int(self.env.seeds[world]), 0)
            self._generators[world] = np.random.default_rng((_RANDOM_STREAM, self._seed, episode))

    def act(self, obs: Any) -> np.ndarray:
        """Return uniform actions in [-1, 1], shape ``(N, A * D)`` float32."""
        size = self._action_shape[1]
        return np.stack([rng.uniform(-1.0, 1.0, size) for rng in self._generators]).astype(np.float32)


def _refuse_argument(name: str, argument: str) -> None:
    if argument:
        raise UserError(f"policy {name} takes no argument, got {argument!r}")
