"""How to train: everything but data and network that determines the weights."""

from dataclasses import dataclass
from typing import Literal

from teamvla_envs.errors import UserError

from teamvla_learn.train.schedule import Budget

MOST_SHIFT = 15  # [px] less than the smallest picture
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class TrainConfig:
    """Everything but data and network that determines the weights.

    Attributes:
        budget: When training ends.
        batch_size: Samples per step.
        shards: Parts of a batch whose gradients are computed side by side.
        learning_rate: Peak learning rate.
        final_learning_rate: Fraction of the peak that is left at the end.
        warmup_steps: Steps of linear warm-up.
        weight_decay: Decoupled weight decay of AdamW.
        max_gradient_norm: Longer gradients are shortened to this.
        average_decay: Decay of the weight average.
        seed: Seed of the initial weights and of the shuffling.
        paraphrase: Whether a demonstration is told in every sentence that is true of it, not in its own alone.
        shift: Largest random shift of a training picture [px].
        brightness: Largest random change of a training picture's brightness, relative.
        precision: Number format of the convolutions; ``auto`` takes bfloat16 where the processor computes
            with it. The weights are float32 always.
        log_every: Steps between log rows.
        validate_every: Steps between validations, a multiple of ``log_every``.
        validation_samples: Samples of a validation at most.
    """

    budget: Budget
    batch_size: int = 64
    shards: int = 2
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.02
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    max_gradient_norm: float = 1.0
    average_decay: float = 0.998
    seed: int = 0
    paraphrase: bool = True
    shift: int = 2
    brightness: float = 0.1
    precision: Precision = "auto"
    log_every: int = 50
    validate_every: int = 500
    validation_samples: int = 1024

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        if self.batch_size < 1:
            raise UserError(f"batch_size is {self.batch_size}, expected at least 1")
        if not 1 <= self.shards <= self.batch_size:
            raise UserError(f"shards is {self.shards}, expected 1 to the batch size of {self.batch_size}")
        if not 0 < self.learning_rate < float("inf"):
            raise UserError(f"learning_rate is {self.learning_rate}, expected a positive number")
        if not 0 <= self.shift <= MOST_SHIFT:
            raise UserError(f"shift is {self.shift}, expected 0 to {MOST_SHIFT} pixels")
        if not 0 <= self.brightness < 1:
            raise UserError(f"brightness is {self.brightness}, expected 0 to less than 1")
        if self.seed < 0:
            raise UserError(f"seed is {self.seed}, expected 0 or more")
