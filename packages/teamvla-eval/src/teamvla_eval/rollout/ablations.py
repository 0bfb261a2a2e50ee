"""Ablations of policies: a frozen arm, black camera images, lost messages."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.arrays import to_numpy
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.policies import Policy

    from teamvla_eval.rollout.evaluate import EvaluationSettings


def ablated(policy: "Policy", settings: "EvaluationSettings") -> "Policy":
    """Wrap a policy in the ablations of the settings, and in per-world decisions if they ask for them."""
    from teamvla_eval.rollout.per_world import OneByOne

    if settings.drop_messages is not None:
        policy = LossyMessages(policy, settings.drop_messages)
    if settings.blind:
        policy = Blind(policy)
    if settings.deterministic:
        policy = OneByOne(policy)
    if settings.freeze_arm is not None:
        policy = FrozenArm(policy, settings.freeze_arm)
    return policy


class Ablation:
    """Policy that acts through another one; the base of the ablations.

    Args:
        policy: The other policy.
    """

    def __init__(self, policy: "Policy"):
        self._policy: Any = policy

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Environment arguments of the wrapped policy."""
        kwargs: Mapping[str, Any] = self._policy.env_kwargs
        return kwargs

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment; UserError if the ablation does not apply."""
        self._policy.bind(env)

    def reset(self, mask: np.ndarray) -> None:
        """Reset the wrapped policy in the worlds in ``mask``, shape ``(N,)`` bool."""
        self._policy.reset(mask)

    def act(self, obs: Any) -> np.ndarray:
        """Return the actions, shape ``(N, A * D)``."""
        actions: np.ndarray = self._policy.act(obs)
        return actions


class FrozenArm(Ablation):
    """One arm holds its posture with an open gripper instead of acting.

    Args:
        policy: The policy.
        arm: Index of the arm.
    """

    def __init__(self, policy: "Policy", arm: int):
        super().__init__(policy)
        self._arm = arm
        self._env: TeamVectorEnv | None = None

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment; UserError if it lacks the arm."""
        if not 0 <= self._arm < env.num_arms:
            raise UserError(f"freeze-arm is {self._arm}, the arms are 0 to {env.num_arms - 1}")
        self._env = env
        super().bind(env)

    def act(self, obs: Any) -> np.ndarray:
        """Return the actions, shape ``(N, A * D)``, with those of the frozen arm replaced."""
        env = self._env
        assert env is not None, "bind(env) comes before act"
        actions = np.array(super().act(obs), dtype=np.float32).reshape(env.num_envs, env.num_arms, -1)
        actions[:, self._arm] = to_numpy(env.hold_actions(gripper=1.0)).reshape(actions.shape)[:, self._arm]
        return actions.reshape(env.num_envs, -1)


class Blind(Ablation):
    """All camera images are black."""

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment; UserError if it has no images."""
        if env.obs_mode == "state":
            raise UserError("blind: it acts on the state and sees no cameras")
        super().bind(env)

    def act(self, obs: Any) -> np.ndarray:
        """Return the actions for black images, shape ``(N, A * D)``."""
        dark = {
            key: {camera: np.zeros_like(image) for camera, image in value.items()}
            for key, value in obs.items()
            if isinstance(value, dict)
        }
        return super().act(obs | dark)


class LossyMessages(Ablation):
    """A share of the messages between arms gets lost.

    Args:
        policy: A policy with a ``channel`` (:class:`teamvla_envs.env.messages.ChannelSettings`) and, once bound, a
            ``bus``.
        drop_rate: Probability that a receiver does not get a message.
    """

    def __init__(self, policy: "Policy", drop_rate: float):
        super().__init__(policy)
        self._drop_rate = drop_rate

    def bind(self, env: "TeamVectorEnv") -> None:
        """Bind to an environment; UserError if the policy sends no messages."""
        if hasattr(self._policy, "channel"):
            self._policy.channel = replace(self._policy.channel, drop_rate=self._drop_rate)
        super().bind(env)
        if getattr(self._policy, "bus", None) is None:
            raise UserError("drop-messages: its arms send no messages")
