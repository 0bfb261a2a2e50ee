"""Per-world decisions of a batched policy, which make its arithmetic independent of the number of worlds.

A matrix product rounds differently in a batch of another size, and after some hundred control steps a grasp can fail
because of the last digit. Each world gets its own copy of the policy, bound to an environment of one world.
"""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.policies import Policy


class OneByOne:
    """Policy that decides on each world in a batch of one.

    Args:
        policy: Policy; it is copied once per world.
    """

    def __init__(self, policy: "Policy"):
        self._policy = policy
        self._copies: list[Policy] = []

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Environment arguments of the wrapped policy."""
        return self._policy.env_kwargs

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind a copy of the policy to each world of an environment."""
        experts = _Experts(env)
        self._copies = [copy.deepcopy(self._policy) for _ in range(env.num_envs)]
        for world, policy in enumerate(self._copies):
            view: Any = _OneWorld(env, world, experts)
            policy.bind(view)

    def reset(self, mask: np.ndarray) -> None:
        """Reset the copies of the worlds in ``mask``, shape ``(N,)`` bool."""
        for world in np.flatnonzero(mask):
            self._copies[world].reset(np.ones(1, dtype=bool))

    def act(self, obs: Any) -> np.ndarray:
        """Return actions, shape ``(N, A * D)``, each from a batch of one."""
        return np.concatenate([policy.act(_row(obs, world)) for world, policy in enumerate(self._copies)])


class _OneWorld:
    """One world of an environment as an environment of one world; other attributes are shared."""

    num_envs = 1

    def __init__(self, env: "TeamVectorEnv", world: int, experts: "_Experts"):
        self._env, self._row, self._experts = env, slice(world, world + 1), experts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    @property
    def seeds(self) -> np.ndarray:
        return self._env.seeds[self._row]

    @property
    def instructions(self) -> list[str]:
        return self._env.instructions[self._row]

    @property
    def goal_names(self) -> list[str]:
        return self._env.goal_names[self._row]

    def expert_actions(self) -> np.ndarray:
        return self._experts.actions()[self._row]

    def hold_actions(self, gripper: float | None = None) -> Any:
        return self._env.hold_actions(gripper)[self._row]


class _Experts:
    """The expert's actions in all worlds, computed once per state."""

    def __init__(self, env: "TeamVectorEnv"):
        self._env = env
        self._state: Any = None
        self._actions = np.empty(0)

    def actions(self) -> np.ndarray:
        if self._env.world is not self._state:
            self._state, self._actions = self._env.world, self._env.expert_actions()
        return self._actions


def _row(obs: Any, world: int) -> Any:
    if isinstance(obs, dict):
        return {key: _row(value, world) for key, value in obs.items()}
    return obs[world : world + 1]
