"""Settings of the training loop: everything except data and network that determines the weights."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import tyro
from teamvla_envs.errors import UserError

from teamvla_learn.config_io import check_at_least
from teamvla_learn.train.optimizer import OptimizerName


@dataclass(frozen=True)
class Budget:
    """Length of a training, in steps or in minutes; exactly one of them is set.

    With steps the result is reproducible to the last bit. With minutes the training ends on time, with a fully annealed
    learning rate, on any machine.

    Attributes:
        steps: Number of steps.
        minutes: Time [min].
    """

    replaced_as_a_whole: ClassVar[bool] = True  # by a layer of settings that sets one of the fields
    steps: Annotated[int | None, tyro.conf.arg(aliases=["--steps"])] = None
    minutes: Annotated[float | None, tyro.conf.arg(aliases=["--minutes"])] = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise UserError("budget needs either steps or minutes, not both")
        if self.steps is not None:
            check_at_least(self, 1, "steps")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise UserError(f"minutes is {self.minutes}, expected a positive number")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Return the spent fraction of the budget, from 0 to 1."""
        if self.minutes is not None:
            return min(elapsed_s / (60.0 * self.minutes), 1.0)
        assert self.steps is not None
        return min(step / self.steps, 1.0)


def learning_rate_factor(progress: float, step: int, warmup_steps: int, final: float) -> float:
    """Return the learning rate as a fraction of its peak: linear warm-up, then cosine decay.

    Args:
        progress: Spent fraction of the budget, from 0 to 1.
        step: Number of steps taken.
        warmup_steps: Steps of linear warm-up.
        final: Fraction at the end.
    """
    warmup = min((step + 1) / max(warmup_steps, 1), 1.0)
    return warmup * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress)))


MOST_SHIFT = 15  # [px] smaller than the smallest image
Precision = Literal["auto", "float32", "bfloat16"]
Balance = Literal["tasks", "files", "samples"]


def _also(flag: str) -> object:
    """Return the marker of a field with a short flag on the command line."""
    return tyro.conf.arg(aliases=[flag])


@dataclass(frozen=True)
class TrainConfig:
    """Everything except data and network that determines the weights.

    Attributes:
        budget: Length of the training.
        batch_size: Samples per step.
        shards: Parts of a batch whose gradients are computed in parallel, each on one core.
        optimizer: ``muon`` for the matrices of hidden layers, with AdamW for the rest; or ``adamw`` for all.
        learning_rate: Peak learning rate.
        final_learning_rate: Learning rate at the end, as a fraction of the peak.
        warmup_steps: Steps of linear warm-up.
        weight_decay: Decoupled weight decay.
        max_gradient_norm: Gradients are clipped to this norm.
        average_decay: Decay of the exponential moving average of the weights.
        seed: Seed of the initial weights and of the shuffling.
        balance: Unit with equal shares of a batch: ``tasks``, ``files`` or ``samples``.
        opening_steps: Length of a demonstration's opening, in control steps. In the opening only the instruction
            determines the goal; later the motion of the arms reveals it.
        opening_weight: Sampling weight of opening steps.
        openings_first: Initial training steps on openings only; 0 for a training with ``init_from``.
        paraphrase: Whether to draw the instruction from all sentences that are true of a demonstration.
        shift: Largest random shift of a training image [px].
        brightness: Largest random relative change of a training image's brightness.
        color: Largest random relative change of its red, green and blue against each other.
        contrast: Largest random fraction of medium gray mixed into a training image.
        word_dropout: Probability that a word of a training instruction is replaced by the unknown word.
        precision: Number format of the forward pass; ``auto`` uses bfloat16 on CPUs with native support for it. Weights
            are always float32.
        device: Device of the training: ``cpu``, ``cuda`` or ``cuda:1``.
        log_every: Steps between log rows.
        validate_every: Steps between validations, a multiple of ``log_every``.
        validation_samples: Largest number of samples in a validation.
        validate_episodes: Episodes of each task, on validation seeds, in a closed-loop validation; the weights with the
            highest success rate are kept in the folder ``best``. 0 disables it.
        validate_episodes_every: Steps between closed-loop validations, a multiple of ``log_every``; the last is at the
            end.
    """

    budget: Budget
    batch_size: Annotated[int, _also("--batch-size")] = 256
    shards: Annotated[int, _also("--shards")] = 2
    optimizer: Annotated[OptimizerName, _also("--optimizer")] = "muon"
    learning_rate: Annotated[float, _also("--lr")] = 2e-3
    final_learning_rate: float = 0.02
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    max_gradient_norm: float = 1.0
    average_decay: float = 0.998
    seed: Annotated[int, _also("--seed")] = 0
    balance: Balance = "tasks"
    opening_steps: int = 8
    opening_weight: Annotated[int, _also("--opening-weight")] = 1
    openings_first: Annotated[int, _also("--openings-first")] = 0
    paraphrase: Annotated[bool, _also("--paraphrase")] = True
    shift: Annotated[int, _also("--shift")] = 1
    brightness: Annotated[float, _also("--brightness")] = 0.1
    color: Annotated[float, _also("--color")] = 0.05
    contrast: Annotated[float, _also("--contrast")] = 0.2
    word_dropout: Annotated[float, _also("--word-dropout")] = 0.05
    precision: Annotated[Precision, _also("--precision")] = "auto"
    device: Annotated[str, _also("--device")] = "cpu"
    log_every: int = 50
    validate_every: int = 500
    validation_samples: int = 1024
    validate_episodes: Annotated[int, _also("--validate-episodes")] = 0
    validate_episodes_every: int = 2000

    def __post_init__(self) -> None:
        """Check the values."""
        check_at_least(self, 1, "batch_size", "opening_steps", "opening_weight", "log_every")
        check_at_least(self, 1, "validate_every", "validation_samples", "validate_episodes_every")
        check_at_least(self, 0, "seed", "openings_first", "warmup_steps", "validate_episodes")
        if not 1 <= self.shards <= self.batch_size:
            raise UserError(f"shards is {self.shards}, expected 1 to the batch size of {self.batch_size}")
        for name in ("learning_rate", "max_gradient_norm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"{name} is {getattr(self, name)}, expected a positive number")
        if not 0 <= self.shift <= MOST_SHIFT:
            raise UserError(f"shift is {self.shift}, expected 0 to {MOST_SHIFT} pixels")
        for name in ("brightness", "color", "contrast", "word_dropout", "weight_decay", "average_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}, expected 0 to less than 1")
        if not 0 <= self.final_learning_rate <= 1:
            raise UserError(f"final_learning_rate is {self.final_learning_rate}, expected 0 to 1")
        for name in ("validate_every", "validate_episodes_every") if self.validate_episodes else ("validate_every",):
            if getattr(self, name) % self.log_every:
                raise UserError(
                    f"{name} is {getattr(self, name)}, expected a multiple of log_every, which is {self.log_every}"
                )


def native_precision() -> Precision:
    """Return bfloat16 if the CPU has instructions for it (about twice as fast), else float32."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if fast else "float32"
