"""How far a training is, and the learning rate there: linear warm-up, then a cosine to almost nothing."""

import math
from dataclasses import dataclass
from typing import Annotated

import tyro
from teamvla_envs.errors import UserError


@dataclass(frozen=True)
class Budget:
    """When training ends: after so many steps, or so many minutes. Exactly one of them is given.

    With steps the run is reproducible to the last bit. With minutes it ends on time, and is fully annealed
    there, however busy the machine is.

    Attributes:
        steps: Number of steps.
        minutes: Time [min].
    """

    steps: Annotated[int | None, tyro.conf.arg(aliases=["--steps"])] = None
    minutes: Annotated[float | None, tyro.conf.arg(aliases=["--minutes"])] = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise UserError("give the training's length as steps or as minutes, not both and not neither")
        if self.steps is not None and self.steps < 1:
            raise UserError(f"steps is {self.steps}, expected at least 1")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise UserError(f"minutes is {self.minutes}, expected a positive number")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Return how much of the budget is spent, from 0 to 1."""
        if self.minutes is not None:
            return min(elapsed_s / (60.0 * self.minutes), 1.0)
        assert self.steps is not None
        return min(step / self.steps, 1.0)


def learning_rate_factor(progress: float, step: int, warmup_steps: int, final: float) -> float:
    """Return what the peak learning rate is multiplied by.

    Args:
        progress: How much of the budget is spent, from 0 to 1.
        step: Steps taken.
        warmup_steps: Steps of linear warm-up.
        final: The factor at the end.
    """
    warmup = min((step + 1) / max(warmup_steps, 1), 1.0)
    return warmup * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress)))
