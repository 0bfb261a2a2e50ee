"""PettingZoo wrapper through which the agents of an environment exchange messages."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from teamvla_envs.arguments import as_numbers, check_mapping, check_whole, only_known_arguments
from teamvla_envs.env.messages import BYTES_PER_FLOAT, MOST_NUMBERS, MOST_ROUNDS, ChannelSettings, MessageBus
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown


class MessageChannel(BaseParallelWrapper[str, Any, Any]):
    """Wrapper through which the agents of a PettingZoo ``ParallelEnv`` exchange messages.

    Without ``rounds`` a message is part of the action: an action is ``{"motion": (D,), "message": (width,)}``, and the
    observation gains ``inbox`` ``(A - 1, width)`` and ``received`` ``(A - 1,)``, senders in order of their number.
    A message of one control step arrives with the observation of the next, so a ``delay`` of 0 is the same as 1.
    An observation that is not a dict becomes ``{"observation": ..., "inbox": ..., "received": ...}``.

    With ``rounds`` R the agents exchange messages before they move: :meth:`exchange` is called up to R times between
    two calls of :meth:`step`, and delivers at once, or ``delay`` control steps later in the same round. Actions and
    observations are those of the wrapped environment.

    Every agent's info gains ``bandwidth``: floats and bytes (float32) sent and delivered since the last ``step``.

    Args:
        env: Environment; agents end their episodes together.
        width: Numbers in a message.
        rounds: Exchanges within a control step; with 0, messages are part of actions.
        drop_rate: Probability that a message does not reach a receiver.
        delay: Control steps until a message arrives.
        noise: Standard deviation of the noise on every number.
        seed: Seed of the draws, with the episode's.
    """

    @only_known_arguments
    def __init__(
        self,
        env: ParallelEnv[str, Any, Any],
        width: int = 32,
        *,
        rounds: int = 0,
        drop_rate: float = 0.0,
        delay: int = 0,
        noise: float = 0.0,
        seed: int = 0,
    ):
        if not isinstance(env, ParallelEnv):
            raise UserError(f"env: got {shown(env)}, expected a PettingZoo ParallelEnv")
        super().__init__(env)
        width, rounds = check_whole("width", width, 1, MOST_NUMBERS), check_whole("rounds", rounds, 0, MOST_ROUNDS)
        delay = ChannelSettings(drop_rate, delay, noise, seed).delay
        in_actions = rounds == 0
        settings = ChannelSettings(drop_rate, max(delay - 1, 0) if in_actions else delay, noise, seed)
        self.width, self.rounds = width, rounds
        self._bus = MessageBus(settings, 1, len(env.possible_agents), width, max(rounds, 1))
        self._counted = self._counts()
        self._observation_spaces = {agent: self._space_with_inbox(agent) for agent in env.possible_agents}
        self._action_spaces = {agent: self._space_with_message(agent) for agent in env.possible_agents}

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """Observation space of an agent; without rounds it includes the inbox."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """Action space of an agent; without rounds it includes the message."""
        return self._action_spaces[agent]

    def _space_with_inbox(self, agent: str) -> gym.Space[Any]:
        space = self.env.observation_space(agent)
        if self.rounds:
            return space
        senders = len(self.env.possible_agents) - 1
        spaces = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {"observation": space}
        inbox = gym.spaces.Box(-np.inf, np.inf, (senders, self.width), np.float32)
        return gym.spaces.Dict({**spaces, "inbox": inbox, "received": gym.spaces.MultiBinary(senders)})

    def _space_with_message(self, agent: str) -> gym.Space[Any]:
        space = self.env.action_space(agent)
        if self.rounds:
            return space
        message = gym.spaces.Box(-1.0, 1.0, (self.width,), np.float32)
        return gym.spaces.Dict({"motion": space, "message": message})

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode with an empty channel; ``seed`` determines it and the channel's draws."""
        obs, infos = self.env.reset(seed=seed, options=options)
        self._bus.reset(np.ones(1, bool), np.array([-1 if seed is None else seed]))
        self._counted = self._counts()
        arms, senders = self._bus.sent.shape[1], self._bus.sent.shape[1] - 1
        empty = np.zeros((arms, senders, self.width), np.float32), np.zeros((arms, senders), bool)
        return self._with_inbox(obs, *empty), self._with_bandwidth(infos)

    def exchange(self, messages: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Exchange messages once within the present control step.

        Args:
            messages: Agent to message ``(width,)``; a missing agent sends none.

        Returns:
            Agent to its inbox ``(A - 1, width)`` float32 and the mask of received messages, ``(A - 1,)`` bool.

        Raises:
            ValueError: For an unknown agent or a message of the wrong shape.
            RuntimeError: When the rounds of this control step are used up, or there are none.
        """
        if not self.rounds:
            raise RuntimeError("this channel has no rounds: messages are part of the actions; make it with rounds=1")
        check_mapping("messages", messages, "a dict of agent to message")
        if unknown := sorted(set(messages) - set(self.env.possible_agents)):
            raise UserError(f"messages: {unknown[0]!r} is no agent, allowed are {', '.join(self.env.possible_agents)}")
        inbox, received = (arrays[0] for arrays in self._bus.transmit(*self._rows(messages)))
        return {
            agent: (inbox[k], received[k])
            for k, agent in enumerate(self.env.possible_agents)
            if agent in self.env.agents
        }

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance by one control step; see the class for the form of an action."""
        if self.rounds:
            obs, reward, terminated, truncated, infos = self.env.step(actions)
            self._bus.advance()
            return obs, reward, terminated, truncated, self._with_bandwidth(infos)
        for agent, action in check_mapping("actions", actions, "a dict of agent to action").items():
            if not isinstance(action, Mapping) or "motion" not in action or set(action) - {"motion", "message"}:
                raise UserError(f"action for {agent}: expected a dict of motion and message, got {action!r}")
        messages = {agent: action["message"] for agent, action in actions.items() if "message" in action}
        rows = self._rows(messages)  # a refused message or motion must change nothing
        motions = {agent: action["motion"] for agent, action in actions.items()}
        obs, reward, terminated, truncated, infos = self.env.step(motions)
        inbox, received = (arrays[0] for arrays in self._bus.transmit(*rows))
        self._bus.advance()
        return self._with_inbox(obs, inbox, received), reward, terminated, truncated, self._with_bandwidth(infos)

    @property
    def bandwidth(self) -> dict[str, dict[str, int]]:
        """Floats and bytes that each agent sent and received since the reset; a broadcast counts once as sent."""
        return {agent: self._account(*counts) for agent, counts in self._by_agent(self._counts())}

    def _rows(self, messages: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Valid messages as the bus takes them: ``(1, A, width)``, and the mask of sent messages, ``(1, A)`` bool."""
        agents = self.env.possible_agents
        rows, sends = np.zeros((1, len(agents), self.width), np.float32), np.zeros((1, len(agents)), bool)
        for k, agent in enumerate(agents):
            if agent in messages:
                message = as_numbers(f"message of {agent}", messages[agent])
                if message.shape != (self.width,):
                    raise UserError(f"message of {agent} has shape {message.shape}, expected ({self.width},)")
                if not np.isfinite(message).all():
                    raise UserError(f"message of {agent} must be finite")
                rows[0, k], sends[0, k] = message, True
        return rows, sends

    def _with_inbox(self, obs: dict[str, Any], inbox: np.ndarray, received: np.ndarray) -> dict[str, Any]:
        if self.rounds:
            return obs
        result = {}
        for k, agent in enumerate(self.env.possible_agents):
            if agent in obs:
                own = obs[agent] if isinstance(obs[agent], dict) else {"observation": obs[agent]}
                result[agent] = {**own, "inbox": inbox[k], "received": received[k].astype(np.int8)}
        return result

    def _with_bandwidth(self, infos: dict[str, Any]) -> dict[str, Any]:
        now = self._counts()
        since = now - self._counted
        self._counted = now
        step = dict(self._by_agent(since))
        return {agent: info | {"bandwidth": self._account(*step[agent])} for agent, info in infos.items()}

    def _counts(self) -> np.ndarray:
        """Messages sent and delivered so far, ``(A, 2)``."""
        return np.stack([self._bus.sent[0], self._bus.delivered[0]], axis=1)

    def _by_agent(self, counts: np.ndarray) -> list[tuple[str, tuple[int, int]]]:
        return [(agent, (int(a), int(b))) for agent, (a, b) in zip(self.env.possible_agents, counts, strict=True)]

    def _account(self, sent: int, delivered: int) -> dict[str, int]:
        return {
            "sent_floats": sent * self.width,
            "sent_bytes": sent * self.width * BYTES_PER_FLOAT,
            "delivered_floats": delivered * self.width,
            "delivered_bytes": delivered * self.width * BYTES_PER_FLOAT,
        }
