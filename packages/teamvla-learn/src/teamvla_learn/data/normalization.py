"""Mean and standard deviation of observations and actions over the training demonstrations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_VECTORS = ("actions", "agent_pos", "environment_state")
STD_FLOOR = 1e-2  # keeps entries that hardly vary in the demonstrations from being amplified


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation per entry, both (n,) float32, in the unit of the entry."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray, floor: float = STD_FLOOR) -> "Statistics":
        """Compute the statistics of samples (M, n); standard deviations are at least ``floor``."""
        mean = samples.mean(axis=0, dtype=np.float64)
        std = samples.std(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), np.maximum(std, floor).astype(np.float32))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Statistics":
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: When mean and std differ in shape, are not finite, or std is not positive.
        """
        mean, std = (np.asarray(data[key], dtype=np.float32) for key in ("mean", "std"))
        if mean.ndim != 1 or mean.shape != std.shape:
            raise ValueError(f"mean has shape {mean.shape} and std {std.shape}, expected one equal length")
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ValueError("mean and std must be finite and std positive")
        return cls(mean, std)

    def to_json(self) -> dict[str, list[float]]:
        """Return lists of numbers, which are read back without rounding."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}


@dataclass(frozen=True)
class Normalization:
    """Statistics of each vector; None for a vector that the policy neither reads nor predicts.

    Attributes:
        actions: Expert actions.
        agent_pos: Proprioception.
        environment_state: Privileged state.
        auxiliary: Auxiliary targets, by name.
    """

    actions: Statistics
    agent_pos: Statistics | None = None
    environment_state: Statistics | None = None
    auxiliary: Mapping[str, Statistics] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Normalization":
        """Read what :meth:`to_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
        if unknown := set(data) - {*_VECTORS, "auxiliary"}:
            raise ValueError(f"unknown statistics {', '.join(sorted(unknown))}")
        vectors = {name: Statistics.from_json(data[name]) for name in _VECTORS if name in data}
        parts = {name: Statistics.from_json(part) for name, part in dict(data.get("auxiliary", {})).items()}
        return cls(**vectors, auxiliary=parts)

    def to_json(self) -> dict[str, Any]:
        """Return the statistics that exist as plain data."""
        present = {name: getattr(self, name) for name in _VECTORS}
        vectors = {name: statistics.to_json() for name, statistics in present.items() if statistics is not None}
        return vectors | {"auxiliary": {name: part.to_json() for name, part in self.auxiliary.items()}}
