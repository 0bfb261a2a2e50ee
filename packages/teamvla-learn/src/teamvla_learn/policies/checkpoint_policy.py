"""Policy protocol for checkpoints: from environment observations to actions."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from teamvla_envs.env.messages import ChannelSettings, MessageBus
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

from teamvla_learn.data.batch import PolicyInput
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.encoders.factory import Tokenizer
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.tokenizer import pad_rows
from teamvla_learn.policies.checkpoint import Checkpoint, load_checkpoint
from teamvla_learn.policies.ensembling import TemporalEnsemble, make_ensemble
from teamvla_learn.policies.messages import through

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

_log = logging.getLogger(__name__)

# Arguments that must be equal; the environment may have more cameras and channels than the policy reads.
FITTING = ("num_arms", "action_mode", "robot", "obs_mode", "image_size", "instruction_for", "looks")


class CheckpointPolicy:
    """A trained policy that acts for all arms of N worlds; implements ``teamvla_envs.policies.Policy``.

    Bound to an environment of ``gymnasium.make``, which has one world, observations and actions lack the first axis.

    Args:
        checkpoint: A loaded checkpoint folder.

    Attributes:
        channel: Settings of the message channel, effective with the next :meth:`bind`.
        bus: Message bus with its counts; None before ``bind`` and for policies without messages.
        messages: Messages of the last round, (N, A, W) float32; None before ``act`` and for policies without messages.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.channel = ChannelSettings()
        self.bus: MessageBus | None = None
        self.messages: np.ndarray | None = None
        self._env: TeamVectorEnv | None = None
        self._single = False
        self._warned_of: object = None
        self._ensemble: TemporalEnsemble | None = None
        self._checkpoint = checkpoint
        self._encoded: dict[str, np.ndarray] = {}  # tokens of each instruction so far

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Arguments of the environment: the observations and actions of the demonstrations."""
        return dict(self._checkpoint.info.env_kwargs)

    def bind(self, env: "TeamVectorEnv | gym.Env[Any, Any]") -> None:
        """Set the environment to act in, after :func:`check_fit`.

        A task that the policy was not trained on is allowed, with a warning.

        Args:
            env: Vector environment, or one of ``gymnasium.make``; may be wrapped.

        Raises:
            UserError: Naming what does not fit.
        """
        worlds = _worlds_of(env)
        check_fit(self._checkpoint, worlds)
        task, trained = worlds.env_kwargs.get("task"), self._checkpoint.info.tasks
        if task not in (*trained, self._warned_of):
            _log.warning("the policy was trained on %s, not on %s", ", ".join(trained), task)
            self._warned_of = task
        self._env, self._single = worlds, isinstance(env, gym.Env)
        policy, num_envs = self._checkpoint.policy, worlds.num_envs
        self._ensemble = make_ensemble(policy.config.space, getattr(policy.config, "head", None), num_envs)
        if policy.rounds:
            self.bus = MessageBus(self.channel, num_envs, worlds.num_arms, policy.config.messages.size, policy.rounds)

    def reset(self, mask: np.ndarray) -> None:
        """Reset predictions and pending messages of the worlds in ``mask`` (N,) bool, which begin a new episode."""
        env = self._bound
        if self._ensemble is not None:
            self._ensemble.reset(mask)
        if self.bus is not None:
            self.bus.reset(mask, env.seeds)

    def act(self, obs: Any) -> np.ndarray:
        """Return the actions for an observation.

        Args:
            obs: Observation of the bound environment.

        Returns:
            (N, A*D) float32 in [-1, 1], or (A*D,) for a single world.

        Raises:
            RuntimeError: Before ``bind``.
            UserError: If the observation does not have N rows.
        """
        actions = self._act(_batch_of_one(obs) if self._single else obs)
        return actions[0] if self._single else actions

    @property
    def _bound(self) -> "TeamVectorEnv":
        if self._env is None:
            raise RuntimeError(f"{type(self).__name__} is not bound: call bind(env) before reset and act")
        return self._env

    def _act(self, obs: Any) -> np.ndarray:
        num_envs = self._bound.num_envs
        policy: Any = self._checkpoint.policy
        inputs = self._read(obs)
        _check_worlds(inputs, num_envs)
        with torch.inference_mode():
            chunks = policy.predict_chunk(inputs, *([] if self.bus is None else [self._exchange]))
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
        inputs = PolicyInput(
            pixels={camera: _tensor(obs["pixels"][camera], np.uint8) for camera in self.env_kwargs.get("cameras", ())},
            agent_pos=_tensor(obs["agent_pos"], np.float32),
        )
        if self._checkpoint.tokenizer is None:
            return inputs
        distinct = sorted(set(obs["instruction"]))
        number = {instruction: index for index, instruction in enumerate(distinct)}
        return replace(
            inputs,
            tokens=torch.from_numpy(self._tokens(distinct)),
            instruction=torch.tensor([number[instruction] for instruction in obs["instruction"]]),
        )

    def _tokens(self, instructions: list[str]) -> np.ndarray:
        tokenizer, language = self._checkpoint.tokenizer, self._checkpoint.policy.config.language
        assert tokenizer is not None
        for instruction in set(instructions).difference(self._encoded):
            warn_of_length(tokenizer, instruction, language)
            self._encoded[instruction] = tokenizer.encode([instruction], language.max_tokens)[0]
        return pad_rows([self._encoded[instruction] for instruction in instructions])


def policy_from_folder(path: str) -> CheckpointPolicy:
    """Load the policy of a checkpoint folder, ready to act (the entry point ``checkpoint``).

    Raises:
        UserError: When the folder is missing, incomplete, foreign or damaged.
    """
    return CheckpointPolicy(load_checkpoint(Path(path)))


def warn_of_length(tokenizer: Tokenizer, instruction: str, language: LanguageConfig) -> None:
    """Log a warning if the instruction encoder truncates an instruction."""
    length = tokenizer.length(instruction)
    if length > language.max_tokens and language.encoder != "none":
        _log.warning(
            "the instruction %s has %d tokens, the policy reads only the first %d",
            shown(instruction), length, language.max_tokens,
        )  # fmt: skip


def check_fit(checkpoint: Checkpoint, env: "TeamVectorEnv") -> None:
    """Check that an environment, of any task, has the observations and actions that a policy was trained with.

    Raises:
        UserError: Naming the difference, the given and the required value.
    """
    wanted: Mapping[str, Any] = checkpoint.info.env_kwargs
    given: dict[str, Any] = {**env.env_kwargs, "image_size": env.image_size}
    wanted = {"looks": "primitives", **wanted}  # missing in older checkpoints
    for name in FITTING:
        if name in wanted and name in given and not _same(wanted[name], given[name]):
            raise UserError(f"the environment has {name}={given[name]!r}, the policy needs {wanted[name]!r}")
    if missing := [camera for camera in wanted.get("cameras", ()) if camera not in env.cameras]:
        raise UserError(
            f"the environment has cameras {', '.join(env.cameras)}, the policy also needs {', '.join(missing)}"
        )
    if checkpoint.policy.obs_mode != "state" and "rgb" not in given.get("image_channels", ("rgb",)):
        raise UserError(
            f"the environment has image_channels={given['image_channels']!r}, the policy needs one of them to be 'rgb'"
        )
    _check_sizes(checkpoint, env)
    if hasattr(checkpoint.policy.config, "parts"):
        _check_parts(checkpoint.policy.config.parts, env)


def _check_parts(trained: PartLayout, env: "TeamVectorEnv") -> None:
    """Check that the privileged state has the parts that a policy was trained with."""
    if not trained.parts:
        raise UserError(
            "the state policy was trained with teamvla-learn 0.1, where the difference of object and goal had the "
            "opposite sign: train it again"
        )
    given = tuple((str(name), int(length)) for name, length in env.environment_state_parts)
    if given != trained.parts:
        only_here, only_there = sorted(set(given) - set(trained.parts)), sorted(set(trained.parts) - set(given))
        raise UserError(
            f"the environment's state has the parts {_names(only_here)} where the policy was trained with "
            f"{_names(only_there)}"
        )


def _names(parts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({length})" for name, length in parts) or "in another order"


def _check_sizes(checkpoint: Checkpoint, env: "TeamVectorEnv") -> None:
    normalization = checkpoint.policy.normalization
    expected = len(normalization.actions.mean)
    given = env.num_arms * env.action_size
    if given != expected:
        raise UserError(f"the environment takes {given} action entries, the policy predicts {expected}")
    space: Any = env.single_observation_space
    if checkpoint.policy.obs_mode == "state":
        name, statistics = "state", normalization.environment_state
    else:
        name, statistics = "agent_pos", normalization.agent_pos
        space = space["agent_pos"]
    assert statistics is not None
    if space.shape != statistics.mean.shape:
        raise UserError(
            f"the environment's {name} has shape {space.shape}, the policy was trained with {statistics.mean.shape}"
        )


def _check_worlds(seen: PolicyInput, num_envs: int) -> None:
    name, array = ("state", seen.environment_state) if seen.agent_pos is None else ("agent_pos", seen.agent_pos)
    assert array is not None
    if array.ndim != 2 or len(array) != num_envs:
        raise UserError(f"{name} has shape {tuple(array.shape)}, expected a row for each of {num_envs} worlds")


def _worlds_of(env: Any) -> "TeamVectorEnv":
    worlds = env
    if isinstance(env, gym.Env):
        worlds = getattr(env.unwrapped, "vector", None)
    elif isinstance(env, gym.vector.VectorEnv):
        worlds = env.unwrapped
    if not hasattr(worlds, "env_kwargs"):
        raise UserError(
            f"env is a {type(env).__name__}, expected a TeamVLA environment "
            "of gymnasium.make, gymnasium.make_vec or teamvla_envs.vector_env"
        )
    return worlds


def _batch_of_one(obs: Any) -> Any:
    if isinstance(obs, Mapping):
        return {name: _batch_of_one(part) for name, part in obs.items()}
    return (obs,) if isinstance(obs, str) else np.asarray(obs)[None]


def _same(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, (list, tuple)) or isinstance(given, (list, tuple)):
        return _pair(wanted) == _pair(given)
    return wanted == given


def _pair(size: Any) -> tuple[Any, ...]:
    return tuple(size) if isinstance(size, (list, tuple)) else (size, size)


def _tensor(array: Any, dtype: type) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=dtype))
