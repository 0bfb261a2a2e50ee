"""Final observations and info of episodes, for worlds that begin a new one in the same step."""

from typing import Any

import numpy as np

from teamvla_envs.arrays import array_namespace
from teamvla_envs.env.images import copied


def only(info: dict[str, Any], worlds: np.ndarray) -> dict[str, Any]:
    """The info of some worlds ``(N,)`` bool; blank and masked elsewhere, as in gymnasium."""
    result = {}
    for key, values in info.items():
        if key.startswith("_"):
            result[key] = values & worlds
        elif isinstance(values, np.ndarray) and values.dtype.kind == "O":
            result[key] = np.array([value if own else None for value, own in zip(values, worlds, strict=True)], object)
        else:
            xp = array_namespace(values)
            result[key] = xp.where(xp.asarray(worlds, device=values.device), values, xp.zeros_like(values))
    return result


def rows_of(obs: Any, mask: np.ndarray) -> np.ndarray:
    """Observations of the masked worlds as an object array ``(N,)``, ``None`` elsewhere, as in gymnasium."""
    result = np.full(len(mask), None, dtype=object)
    for i in np.flatnonzero(mask):
        result[i] = _row(obs, int(i))
    return result


def _row(obs: Any, i: int) -> Any:
    if isinstance(obs, dict):
        return {key: _row(value, i) for key, value in obs.items()}
    return obs[i] if isinstance(obs[i], str) else copied(obs[i])
