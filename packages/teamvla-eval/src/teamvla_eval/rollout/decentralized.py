"""Policies of single arms in the vector environment: each arm gets the observation of the PettingZoo view."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from teamvla_envs.env.observations import environment_state, peer_summary
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


class ArmPolicy(Protocol):
    """Policy of one arm of one world."""

    def reset(self) -> None:
        """Forget the past, because a new episode begins."""

    def act(self, obs: Any) -> np.ndarray:
        """Return the arm's action in [-1, 1], shape ``(D,)``, for its observation in ``teamvla_envs.parallel_env``."""


class Decentralized:
    """Team of independent arm policies; implements ``teamvla_envs.policies.Policy``.

    Args:
        make_arm: Makes the policy of an agent, ``"arm_0"``, ``"arm_1"`` …; called once for each arm of each world.
        env_kwargs: Arguments that the environment must be made with.
    """

    def __init__(self, make_arm: Callable[[str], ArmPolicy], env_kwargs: Mapping[str, Any]):
        self._make_arm = make_arm
        self._env_kwargs = dict(env_kwargs)
        self._env: TeamVectorEnv | None = None
        self._arms: list[dict[str, ArmPolicy]] = []

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Arguments that the environment must be made with."""
        return self._env_kwargs

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment and make a policy for every arm of every world."""
        agents = [f"arm_{k}" for k in range(env.num_arms)]
        self._env = env
        self._arms = [{agent: self._make_arm(agent) for agent in agents} for _ in range(env.num_envs)]

    def reset(self, mask: np.ndarray) -> None:
        """Reset the policies of the worlds in ``mask``, shape ``(N,)`` bool."""
        for world in np.flatnonzero(mask):
            for policy in self._arms[world].values():
                policy.reset()

    def act(self, obs: Any) -> np.ndarray:
        """Return actions, shape ``(N, A * D)`` float32, each arm's from its own observation.

        Raises:
            UserError: If an arm's action has another shape than (D,); names the arm.
        """
        env = self._env
        assert env is not None, "bind(env) comes before act"
        actions = np.zeros((env.num_envs, env.num_arms, env.action_size), np.float32)
        for world, seen in enumerate(arm_observations(env, obs)):
            for k, (agent, policy) in enumerate(self._arms[world].items()):
                action = np.asarray(policy.act(seen[agent]))
                if action.shape != (env.action_size,):
                    raise UserError(f"action of {agent} has shape {action.shape}, expected ({env.action_size},)")
                actions[world, k] = action
        return actions.reshape(env.num_envs, -1)


def arm_observations(env: "TeamVectorEnv", obs: Any) -> list[dict[str, Any]]:
    """Observation of every arm of every world, with the keys and values of the parallel view.

    Args:
        env: The environment.
        obs: Current observation of the N worlds.

    Returns:
        Agent to observation, for each of the N worlds.
    """
    n, arms = env.num_envs, env.num_arms
    agent_pos = env.agent_pos().reshape(n, arms, -1)
    peers = peer_summary(env.world)
    cameras = [env.scene.camera(name) for name in env.cameras]
    image_keys = tuple(env.camera_spaces(()))
    worlds: list[dict[str, Any]] = [{} for _ in range(n)]
    for k in range(arms):
        instructed = env.instruction_for in ("all", f"arm_{k}")
        state = None
        if env.obs_mode != "vision":
            own = np.concatenate([agent_pos[:, k], peers[:, k]], axis=-1)
            state = environment_state(own, env.state_parts(instructed))
        for world in range(n):
            seen: dict[str, Any] = {} if state is None else {"environment_state": state[world]}
            if env.obs_mode == "state":
                worlds[world][f"arm_{k}"] = seen["environment_state"]
                continue
            for key in image_keys:
                seen[key] = {c.own_name: obs[key][c.name][world] for c in cameras if c.arm in (None, k)}
            seen["agent_pos"], seen["peers"] = agent_pos[world, k], peers[world, k]
            seen["instruction"] = obs["instruction"][world] if instructed else ""
            worlds[world][f"arm_{k}"] = seen
    return worlds
