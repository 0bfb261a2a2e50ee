"""One world as a ``gymnasium.Env``: the vector environment with N = 1."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from teamvla_envs.arrays import to_numpy
from teamvla_envs.env.vector import TeamVectorEnv

_UNLIMITED = 2**31  # gymnasium's TimeLimit counts


class TeamEnv(gym.Env[Any, np.ndarray]):
    """One world of a task; arguments of :class:`TeamVectorEnv`.

    Args:
        task: Registered task name.
        max_episode_steps: Control steps after which an episode is truncated, ``None`` for the task's horizon.
        **kwargs: See :class:`TeamVectorEnv`.

    Attributes:
        vector: The vector environment behind it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012  gymnasium's way; make() reads it

    def __init__(self, task: str, *, max_episode_steps: int | None = None, **kwargs: Any):
        kwargs["autoreset_mode"] = AutoresetMode.DISABLED
        self.vector = TeamVectorEnv(task, 1, max_episode_steps=max_episode_steps, **kwargs)
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self.metadata = {key: self.vector.metadata[key] for key in ("render_modes", "render_fps")}
        self.render_mode = self.vector.render_mode
        self.task, self.num_arms = task, self.vector.num_arms
        own, horizon = self.vector.max_episode_steps, self.vector.task.horizon
        self._max_episode_steps = horizon if own == _UNLIMITED else own

    @property
    def task_description(self) -> str:
        """The sentence of the present episode."""
        return self.vector.instructions[0]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; ``seed`` determines it fully, ``options={"goal": name}`` replaces its goal."""
        obs, info = self.vector.reset(seed=seed, options=options)
        super().reset(seed=seed)
        return first(obs), first_info(info)

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
        obs, reward, terminated, truncated, info = self.vector.step(np.asarray(action)[None])
        return first(obs), float(reward[0]), bool(terminated[0]), bool(truncated[0]), first_info(info)

    def expert_action(self) -> np.ndarray:
        """What the task's expert does now, shape ``(A * D,)`` float32."""
        return to_numpy(self.vector.expert_actions()[0])

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that determines the future, arrays with first axis 1."""
        return self.vector.get_state()

    def set_state(self, state: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any]]:
        """Continue from a state; returns observation and info."""
        obs, info = self.vector.set_state(state)
        return first(obs), first_info(info)

    def render(self) -> np.ndarray | None:
        """A 480 px front view, shape ``(480, 480, 3)`` uint8, in ``rgb_array`` mode."""
        frames = self.vector.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Free threads and renderer."""
        self.vector.close()


def make_without_limit(task: str, **kwargs: Any) -> TeamEnv:
    """A :class:`TeamEnv` that never truncates: what ``gymnasium.make`` wraps into its own ``TimeLimit``."""
    return TeamEnv(task, **{"max_episode_steps": _UNLIMITED, **kwargs})


def first(obs: Any) -> Any:
    """The observation of world 0, on the host."""
    if isinstance(obs, dict):
        return {key: first(value) for key, value in obs.items()}
    return obs[0] if isinstance(obs[0], str) else to_numpy(obs[0])


def first_info(info: dict[str, Any]) -> dict[str, Any]:
    """The info of world 0 in plain Python types."""
    values = {key: value[0] for key, value in info.items() if not key.startswith("_")}
    return {key: value.item() if getattr(value, "ndim", None) == 0 else value for key, value in values.items()}
