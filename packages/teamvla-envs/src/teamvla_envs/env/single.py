"""One world as a ``gymnasium.Env``: the vector environment with N = 1."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from teamvla_envs.arguments import as_numbers, check_seed
from teamvla_envs.arrays import to_numpy
from teamvla_envs.env.remaking import Remade
from teamvla_envs.env.time_limits import UNLIMITED, TimeLimits
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.env.window import Window, check_one_world

_KEPT = ("observation_space", "action_space", "spec", "_np_random", "_np_random_seed")


class TeamEnv(Remade, Window, gym.Env[Any, np.ndarray]):
    """One world of a task as a ``gymnasium.Env``.

    Args:
        task: Registered task name.
        max_episode_steps: Control steps after which an episode is truncated, ``None`` for the task's horizon,
            unless a ``gymnasium.wrappers.TimeLimit`` sets another. The lowest of several limits counts.
        **kwargs: Other attributes of :class:`teamvla_envs.env.arguments.EnvConfig`.

    Attributes:
        vector: The vector environment behind it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012  gymnasium's way; make() reads it

    def __init__(self, task: str, *, max_episode_steps: int | None = None, **kwargs: Any):
        check_one_world(kwargs)
        kwargs["autoreset_mode"] = AutoresetMode.DISABLED
        self.vector = TeamVectorEnv(task, 1, max_episode_steps=max_episode_steps, **kwargs)
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self.metadata = {key: self.vector.metadata[key] for key in ("render_modes", "render_fps")}
        self.render_mode = self.vector.render_mode
        self.task = task
        self._own_limit = None if max_episode_steps is None else self.vector.max_episode_steps
        if self._own_limit == UNLIMITED:  # until a reset finds the limits of wrappers
            self.vector.max_episode_steps = self.vector.task.horizon
        self._time_limits = TimeLimits(self)

    @property
    def _max_episode_steps(self) -> int:
        """The limit in force, by the name that gymnasium's ``TimeLimit`` has for it."""
        steps = self.vector.max_episode_steps
        return self.vector.task.horizon if steps == UNLIMITED else steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; ``seed`` determines it fully, ``options={"goal": name}`` replaces its goal."""
        self._find_time_limits()
        seed = check_seed(seed)
        obs, info = self.vector.reset(seed=seed, options=options)
        super().reset(seed=seed)
        return first(obs), first_info(info)

    def _find_time_limits(self) -> None:
        """Truncate when the wrappers around this environment do."""
        limits = [self._time_limits.find(), self._own_limit]
        known = [limit for limit in limits if limit is not None]
        self.vector.max_episode_steps = min(known, default=self.vector.task.horizon)

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance by one control step.

        Args:
            action: Shape ``(A * D,)``, arm by arm, in [-1, 1].

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            ValueError: If the shape is wrong or an entry is not finite; names arm and index.
            RuntimeError: Before the first reset or after close.
        """
        if not self._time_limits.known:  # a copy, whose wrappers are copies too
            self._find_time_limits()
        batch = (action if hasattr(action, "device") else as_numbers("action", action))[None]
        obs, reward, terminated, truncated, info = self.vector.step(batch)
        self._time_limits.expect(int(self.vector.steps[0]))
        return first(obs), float(reward[0]), bool(terminated[0]), bool(truncated[0]), first_info(info)

    def expert_action(self) -> np.ndarray:
        """Action of the task's expert in the present state, shape ``(A * D,)`` float32."""
        return to_numpy(self.vector.expert_actions()[0])

    def hold_actions(self, gripper: float | None = None) -> np.ndarray:
        """Action that keeps the arms where they are, shape ``(A * D,)``; see :meth:`TeamVectorEnv.hold_actions`."""
        return to_numpy(self.vector.hold_actions(gripper)[0])

    def set_state(self, state: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any]]:
        """Continue from a state of arrays with first axis 1; returns observation and info."""
        obs, info = self.vector.set_state(state)
        return first(obs), first_info(info)

    def progress(self) -> dict[str, Any]:
        """Progress of the vector environment, spaces with their generators, and what gymnasium keeps."""
        return {"vector": self.vector.progress(), "attributes": {name: getattr(self, name) for name in _KEPT}}

    def resume(self, progress: dict[str, Any]) -> None:
        """Continue bit for bit from a result of :meth:`progress`."""
        self.vector.resume(progress["vector"])
        for name, value in progress["attributes"].items():
            setattr(self, name, value)


def first(obs: Any) -> Any:
    """The observation of world 0, on the host."""
    if isinstance(obs, dict):
        return {key: first(value) for key, value in obs.items()}
    return obs[0] if isinstance(obs[0], str) else to_numpy(obs[0])


def first_info(info: dict[str, Any]) -> dict[str, Any]:
    """The info of world 0 in plain Python types."""
    values = {key: value[0] for key, value in info.items() if not key.startswith("_")}
    return {key: value.item() if getattr(value, "ndim", None) == 0 else value for key, value in values.items()}
