"""Options of a reset."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from teamvla_envs.arguments import did_you_mean
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

_KNOWN = ("reset_mask", "goal")


def check_options(options: Any) -> Mapping[str, Any]:
    """The options of a reset; unknown ones are allowed, since wrappers may have their own.

    A warning names those that are probably misspelled.

    Raises:
        UserError: If they are not a mapping.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise UserError(f"options: got {shown(options)}, expected a dict or None")
    for name in options:
        if name not in _KNOWN and (hint := did_you_mean(name, _KNOWN)):
            gym.logger.warn(f"reset option {name!r} has no effect{hint}")
    return options


def read_reset_mask(options: Mapping[str, Any], num_envs: int) -> np.ndarray:
    """Mask of the worlds to reset, shape ``(N,)`` bool.

    Raises:
        UserError: If the mask has another type or shape.
    """
    if options.get("reset_mask") is None:
        return np.ones(num_envs, bool)
    mask = options["reset_mask"]
    try:
        mask = np.asarray(mask)
    except ValueError:
        mask = np.asarray(None)
    if mask.shape != (num_envs,) or mask.dtype != bool:
        raise UserError(f"options['reset_mask']: got {mask.dtype} {mask.shape}, expected bool ({num_envs},)")
    return mask


def read_goals(options: Mapping[str, Any], num_envs: int) -> Sequence[str | None]:
    """The goal that replaces that of the seed, or ``None``, for each world.

    Raises:
        UserError: If their number is wrong.
    """
    goals = options.get("goal")
    if goals is None or isinstance(goals, str):
        return [goals] * num_envs
    if not isinstance(goals, (list, tuple, np.ndarray)) or np.ndim(np.asarray(goals, dtype=object)) != 1:
        raise UserError(f"options['goal']: got {shown(goals)}, expected a name, or one name or None per world")
    if len(goals) != num_envs:
        raise UserError(f"options['goal']: got {len(goals)} names for {num_envs} worlds")
    return list(goals)
