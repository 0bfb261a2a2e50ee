"""Observation spaces, and the checks of the arguments that shape them."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from teamvla_envs.sim.cameras import MAX_SIZE, MIN_SIZE

SENTENCE = gym.spaces.Text(
    128,
    min_length=0,
    charset=frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.'-!?_"),
)


def vector_space(size: int) -> gym.spaces.Box:
    """Unbounded float32 vectors."""
    return gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)


def camera_spaces(
    channels: Sequence[str], cameras: Sequence[str], image_size: tuple[int, int], segments: int
) -> dict[str, gym.Space[Any]]:
    """The spaces of what cameras tell: key of the observation to a dict of camera name to image.

    Args:
        channels: Out of ``CHANNELS``.
        cameras: Camera names.
        image_size: Height and width [px].
        segments: Largest number of a segment.
    """
    kinds: dict[str, tuple[str, gym.Space[Any]]] = {
        "rgb": ("pixels", gym.spaces.Box(0, 255, (*image_size, 3), np.uint8)),
        "depth": ("depth", gym.spaces.Box(0.0, np.inf, image_size, np.float32)),
        "segmentation": ("segmentation", gym.spaces.Box(0, segments, image_size, np.int32)),
    }
    chosen = [kinds[channel] for channel in channels]
    return {key: gym.spaces.Dict(dict.fromkeys(cameras, image)) for key, image in chosen}


def observation_space(
    obs_mode: str, pictures: Mapping[str, gym.Space[Any]], agent_pos: int, environment_state: int
) -> gym.Space[Any]:
    """The space of one world's observation.

    Args:
        obs_mode: ``"state"``, ``"vision"`` or ``"vision+state"``.
        pictures: From :func:`camera_spaces`.
        agent_pos: Length of the team's proprioception.
        environment_state: Length of the privileged observation.
    """
    if obs_mode == "state":
        return vector_space(environment_state)
    spaces = {**pictures, "agent_pos": vector_space(agent_pos), "instruction": SENTENCE}
    if obs_mode == "vision+state":
        spaces["environment_state"] = vector_space(environment_state)
    return gym.spaces.Dict(spaces)


def check_image_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width [px] from one number or two.

    Raises:
        ValueError: If one is out of range.
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    for value in (height, width):
        if not MIN_SIZE <= int(value) <= MAX_SIZE:
            raise ValueError(f"image_size: got {size!r}, allowed are {MIN_SIZE} to {MAX_SIZE} pixels")
    return int(height), int(width)
