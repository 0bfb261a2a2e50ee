"""Stand-in for a vector environment: the attributes that a policy reads.

``test_worlds.py`` checks it against the real environment.
"""

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from tests.learn.episodes import CAMERAS, ENV_KWARGS, SIZE, STATE_PARTS


@dataclass
class Worlds:
    """N worlds of the task of :mod:`tests.learn.episodes`."""

    env_kwargs: dict[str, Any] = field(default_factory=lambda: ENV_KWARGS | {"obs_mode": "vision"})
    cameras: tuple[str, ...] = CAMERAS
    image_size: tuple[int, int] = (SIZE, SIZE)
    num_arms: int = 2
    num_envs: int = 5
    action_size: int = 8
    single_observation_space: gym.Space[Any] = field(default_factory=lambda: vision_space(20))
    environment_state_parts: tuple[tuple[str, int], ...] = STATE_PARTS
    seeds: np.ndarray = field(default_factory=lambda: np.zeros(5, np.int64))


def state_worlds() -> Worlds:
    """The same worlds with ``obs_mode="state"``."""
    size = sum(length for _, length in STATE_PARTS)
    space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
    return Worlds(ENV_KWARGS | {"obs_mode": "state"}, single_observation_space=space)


def vision_space(agent_pos: int) -> gym.Space[Any]:
    """Observation space of ``vision`` mode, as far as a policy reads it."""
    return gym.spaces.Dict({"agent_pos": gym.spaces.Box(-np.inf, np.inf, (agent_pos,), np.float32)})
