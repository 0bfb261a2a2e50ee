"""A checkpoint at work: environment observations in, actions out."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from teamvla_envs.env.messages import ChannelSettings, MessageBus

from teamvla_learn.data.batch import PolicyInput
from teamvla_learn.policies.checkpoint import Checkpoint
from teamvla_learn.policies.ensembling import TemporalEnsemble, make_ensemble
from teamvla_learn.policies.exchange import perfect, through
from teamvla_learn.policies.msg_passing import MsgPassingVLA

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_log = logging.getLogger(__name__)

FITTING = (
    "num_arms",
    "action_mode",
    "robot",
    "obs_mode",
    "image_size",
    "instruction_for",
)  # cameras may be more than are needed


class CheckpointPolicy:
    """Acts for every arm of N worlds; implements ``teamvla_envs.policies.Policy``.

    Args:
        checkpoint: A loaded checkpoint folder.

    Attributes:
        channel: What happens to the messages of a team that talks; takes effect with the next :meth:`bind`.
        bus: What carries them, with its counts; None before ``bind`` and for policies that do not talk.
        messages: What every arm said in the last round, (N, A, W) float32; None before ``act`` and for policies that
            do not talk.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.channel = ChannelSettings()
        self.bus: MessageBus | None = None
        self.messages: np.ndarray | None = None
        self._env: TeamVectorEnv | None = None
        self._ensemble: TemporalEnsemble | None = None
        self._checkpoint = checkpoint
        self._sentences: dict[str, np.ndarray] = {}

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """What the environment must be made with: the observations and actions of the demonstrations."""
        return dict(self._checkpoint.info.env_kwargs)

    def bind(self, env: "TeamVectorEnv") -> None:
        """Check that the environment shows and takes what the policy was trained with.

        A task that it was not trained for is allowed, with a warning.

        Raises:
            ValueError: Naming what differs, what it is and what it must be.
        """
        wanted, given = self.env_kwargs, {**env.env_kwargs, "image_size": env.image_size}
        for name in FITTING:
            if name in wanted and name in given and not _same(wanted[name], given[name]):
                raise ValueError(f"the environment has {name}={given[name]!r}, the policy needs {wanted[name]!r}")
        if missing := [camera for camera in wanted.get("cameras", ()) if camera not in env.cameras]:
            raise ValueError(
                f"the environment has cameras {', '.join(env.cameras)}, the policy also needs {', '.join(missing)}"
            )
        self._check_sizes(env)
        task, trained = env.env_kwargs.get("task"), self._checkpoint.info.tasks
        if task not in trained:
            _log.warning("the policy was trained for %s, not for %s", ", ".join(trained), task)
        self._env = env
        policy = self._checkpoint.policy
        self._ensemble = make_ensemble(policy.config.space, policy.config.head, env.num_envs)
        if isinstance(policy, MsgPassingVLA) and policy.rounds:
            self.bus = MessageBus(self.channel, env.num_envs, env.num_arms, policy.config.messages.size, policy.rounds)

    def reset(self, mask: np.ndarray) -> None:
        """Forget predictions and messages under way in the worlds in ``mask`` (N,) bool, which begin a new episode."""
        if self._ensemble is not None:
            self._ensemble.reset(mask)
        if self.bus is not None:
            assert self._env is not None
            self.bus.reset(mask, self._env.seeds)

    def act(self, obs: Any) -> np.ndarray:
        """Return actions (N, A*D) float32 in [-1, 1] for the environment's observation of N worlds."""
        policy, seen = self._checkpoint.policy, self._read(obs)
        with torch.inference_mode():
            if isinstance(policy, MsgPassingVLA):
                chunks = policy.chunks(seen, perfect if self.bus is None else self._exchange)
            else:
                chunks = policy.chunks(seen)
        if self.bus is not None:
            self.bus.advance()
        return chunks[:, 0].numpy() if self._ensemble is None else self._ensemble.blend(chunks.numpy())

    def _exchange(self, messages: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.bus is not None
        self.messages = messages.numpy()
        return through(self.bus)(messages)

    def _read(self, obs: Any) -> PolicyInput:
        if self._checkpoint.policy.obs_mode == "state":
            return PolicyInput(environment_state=_tensor(obs, np.float32))
        different = sorted(set(obs["instruction"]))
        number = {sentence: index for index, sentence in enumerate(different)}
        return PolicyInput(
            pixels={camera: _tensor(obs["pixels"][camera], np.uint8) for camera in self.env_kwargs["cameras"]},
            agent_pos=_tensor(obs["agent_pos"], np.float32),
            tokens=torch.from_numpy(self._tokens(different)),
            sentence=torch.tensor([number[sentence] for sentence in obs["instruction"]]),
        )

    def _tokens(self, sentences: list[str]) -> np.ndarray:
        tokenizer, max_tokens = self._checkpoint.tokenizer, self._checkpoint.policy.config.language.max_tokens
        assert tokenizer is not None
        for sentence in sentences:
            if sentence not in self._sentences:
                self._sentences[sentence] = tokenizer.encode([sentence], max_tokens)[0]
        rows = [self._sentences[sentence] for sentence in sentences]
        padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        for row, tokens in zip(padded, rows, strict=True):
            row[: len(tokens)] = tokens
        return padded

    def _check_sizes(self, env: "TeamVectorEnv") -> None:
        normalization = self._checkpoint.policy.normalization
        expected = len(normalization.actions.mean)
        given = env.num_arms * env.action_size
        if given != expected:
            raise ValueError(f"the environment takes {given} action entries, the policy puts out {expected}")
        space: Any = env.single_observation_space
        if self._checkpoint.policy.obs_mode == "state":
            name, statistics = "state", normalization.environment_state
        else:
            name, statistics = "agent_pos", normalization.agent_pos
            space = space["agent_pos"]
        assert statistics is not None
        if space.shape != statistics.mean.shape:
            raise ValueError(
                f"the environment's {name} has shape {space.shape}, the policy was trained with {statistics.mean.shape}"
            )


def _same(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, (list, tuple)) or isinstance(given, (list, tuple)):
        return _pair(wanted) == _pair(given)
    return wanted == given


def _pair(size: Any) -> tuple[Any, ...]:
    return tuple(size) if isinstance(size, (list, tuple)) else (size, size)


def _tensor(array: Any, dtype: type) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=dtype))
