"""Observation spaces, and the checks of the arguments that shape them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import create_shared_memory

from teamvla_envs.arguments import check_sequence, check_whole
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown
from teamvla_envs.sim.cameras import MAX_SIZE, MIN_SIZE


class Instruction(gym.spaces.Text):
    """Text that gymnasium does not put into shared memory, which does not preserve text.

    ``AsyncVectorEnv`` with ``shared_memory=True`` raises an error instead of returning blank instructions.
    """


@create_shared_memory.register(Instruction)
def _refuse_shared_memory(space: Instruction, n: int = 1, ctx: Any = None) -> Any:
    raise CustomSpaceError("instructions are text, which does not survive gymnasium's shared memory")


INSTRUCTION = Instruction(
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
    """Spaces of camera images: key of the observation to a dict of camera name to image.

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
    obs_mode: str, images: Mapping[str, gym.Space[Any]], agent_pos: int, environment_state: int
) -> gym.Space[Any]:
    """The space of one world's observation.

    Args:
        obs_mode: ``"state"``, ``"vision"`` or ``"vision+state"``.
        images: From :func:`camera_spaces`.
        agent_pos: Length of the team's proprioception.
        environment_state: Length of the privileged observation.
    """
    if obs_mode == "state":
        return vector_space(environment_state)
    spaces = {**images, "agent_pos": vector_space(agent_pos), "instruction": INSTRUCTION}
    if obs_mode == "vision+state":
        spaces["environment_state"] = vector_space(environment_state)
    return gym.spaces.Dict(spaces)


def check_image_size(size: int | Sequence[int], argument: str = "image_size") -> tuple[int, int]:
    """Height and width [px] from one number or two.

    Raises:
        UserError: If one is out of range; names the argument.
    """
    try:
        entries = check_sequence(argument, size, "two numbers") if isinstance(size, Iterable) else (size, size)
        height, width = (check_whole(argument, entry, MIN_SIZE, MAX_SIZE) for entry in entries)
    except ValueError:
        raise UserError(
            f"{argument}: got {shown(size)}, allowed are {MIN_SIZE} to {MAX_SIZE} pixels, one number or two"
        ) from None
    return height, width
