"""Training loop of behavior cloning.

Its state consists of the weights, their average, the optimizer's moments, the number of steps and the elapsed time; the
batch of a step is a function of the seed and the step. A resumed training therefore equals an uninterrupted one.
"""

import copy
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from teamvla_learn.data.batch import Batch
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.loader import step_generator
from teamvla_learn.data.sampler import BatchSampler
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.losses import LossTerm, weighted_sum
from teamvla_learn.train.config import TrainConfig, learning_rate_factor
from teamvla_learn.train.data_parallel import Processes, ShardedGradient
from teamvla_learn.train.optimizer import Optimizer


class WeightAverage:
    """Exponential moving average of a network's weights, which is validated, saved and rolled out.

    Args:
        policy: The network.
        decay: Weight of the previous average in an update; smaller in early steps, to discard the initial weights.
    """

    def __init__(self, policy: LearnedPolicy, decay: float):
        self.policy = copy.deepcopy(policy).eval().requires_grad_(False)
        self._followed: list[Tensor] = list(policy.parameters())
        self._average: list[Tensor] = list(self.policy.parameters())
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the weights after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._followed, 1.0 - decay)


Made = TypeVar("Made")

PREFETCHED_STEPS = 2  # number of prefetched steps, each on its own thread


class Prefetcher(Generic[Made]):
    """Prefetches values that depend only on the step: batches, while a GPU computes the current step.

    Args:
        make: Makes the value of a step, on any thread.
    """

    def __init__(self, make: Callable[[int], Made]):
        self._make = make
        self._pool = ThreadPoolExecutor(PREFETCHED_STEPS, "prefetch")
        self._coming: dict[int, Future[Made]] = {}

    def __call__(self, step: int) -> Made:
        """Return the value of a step, and start making those of the next ones."""
        steps = range(step, step + PREFETCHED_STEPS + 1)
        self._coming = {s: self._coming.get(s) or self._pool.submit(self._make, s) for s in steps}
        return self._coming.pop(step).result()


LogRow = dict[str, Any]


class Trainer:
    """Trains a policy on a dataset.

    Args:
        policy: The network, on the device of the training.
        train: Training samples.
        valid: Validation samples, or None.
        config: Settings of the training.
        threads: Threads that compute gradients; None for one per shard.
        processes: Processes of the training, each with its own trainer.

    Attributes:
        policy: The network.
        average: Exponential moving average of its weights.
        optimizer: Its optimizer.
        step: Number of steps taken.
        elapsed_s: Training time, over all resumptions [s].
    """

    def __init__(
        self,
        policy: LearnedPolicy,
        train: BatchAssembler,
        valid: BatchAssembler | None,
        config: TrainConfig,
        threads: int | None = None,
        processes: Processes | None = None,
    ):
        self.policy = policy.train()
        self.config = config
        self.average = WeightAverage(policy, config.average_decay)
        threads = threads or config.shards
        self.optimizer = Optimizer(policy, config.optimizer, config.weight_decay, threads)
        self.step = 0
        self.elapsed_s = 0.0
        self._train = train
        self._valid = valid
        data = train.dataset
        groups = {"tasks": data.task, "files": data.file, "samples": np.zeros(len(data), np.int64)}
        opening = np.arange(len(data)) - data.begins < config.opening_steps
        self._orders = [
            BatchSampler.over_groups(groups[config.balance], config.batch_size, config.seed, times)
            for times in (opening.astype(np.int64), np.where(opening, config.opening_weight, 1))
        ]
        self._device = next(policy.parameters()).device
        self._processes = processes or Processes()
        self._gradient = ShardedGradient(policy, config.shards, threads, self._autocast, self._processes)
        self._prefetcher = Prefetcher(self._prefetch) if self._device.type == "cuda" else None

    @property
    def progress(self) -> float:
        """Spent fraction of the budget, from 0 to 1."""
        return self.config.budget.progress(self.step, self.elapsed_s)

    def run(
        self,
        on_step: Callable[[], bool],
        on_log: Callable[[LogRow], None],
        act: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        """Train until the budget is spent.

        Args:
            on_step: Called between steps; in the first process it returns True to stop.
            on_log: Called with each log row.
            act: Closed-loop validation; returns the success rate of each task. Called in the first process only.
        """
        began = time.perf_counter() - self.elapsed_s
        logged_step, logged_s = self.step, self.elapsed_s
        sums: dict[str, torch.Tensor] = {}
        while self.progress < 1.0 and not self._processes.broadcast(on_step())[0]:
            for name, value in self.train_step().items():
                sums[name] = sums.get(name, 0.0) + value
            self._update_time(began)
            finished = self.progress >= 1.0
            if finished or self.step % self.config.log_every == 0:
                steps, seconds = self.step - logged_step, self.elapsed_s - logged_s
                row: LogRow = {
                    "step": self.step,
                    "time_s": round(self.elapsed_s, 3),
                    "lr": self._learning_rate(),
                    "samples_per_s": round(steps * self.config.batch_size / seconds, 1),
                    "train": {name: float(value) / steps for name, value in sums.items()},
                }
                if self._valid is not None and (finished or self.step % self.config.validate_every == 0):
                    row["valid"] = self.validate()
                if act is not None and (finished or self.step % self.config.validate_episodes_every == 0):
                    row |= {"success": act()} if self._processes.leads else {}
                on_log(row)
                sums, logged_step = {}, self.step
                self._update_time(began)
                logged_s = self.elapsed_s

    def train_step(self) -> dict[str, torch.Tensor]:
        """Take a step; returns the loss terms and their weighted ``total``, scalars."""
        made = self._prefetcher(self.step) if self._prefetcher else None

        def make_part(number: int, indices: np.ndarray) -> Batch:
            if made is None:
                return self._assemble(self.step, number, indices)
            return made[number].to(self._device, non_blocking=True)

        terms = self._gradient(self._samples(self.step), make_part)
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_gradient_norm)
        self.optimizer.step(self._learning_rate())
        self.step += 1
        self.average.update(self.step)
        return terms

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the mean loss terms of the weight average on the validation samples."""
        assert self._valid is not None
        sums: dict[str, float] = {}
        count = 0
        for batch in self._valid.sweep(self.config.batch_size, self.config.validation_samples):
            with self._autocast():
                terms = self.average.policy.losses(batch.to(self._device))
            size = len(batch.actions)
            count += size
            for name, term in ({"total": LossTerm(weighted_sum(terms), 1.0)} | terms).items():
                sums[name] = sums.get(name, 0.0) + size * float(term.value)
        return {name: value / count for name, value in sums.items()}

    def _samples(self, step: int) -> np.ndarray:
        return self._orders[step >= self.config.openings_first].indices(step)

    def _assemble(self, step: int, number: int, indices: np.ndarray) -> Batch:
        return self._train.batch(indices, step_generator(self.config.seed, step, number))

    def _prefetch(self, step: int) -> dict[int, Batch]:
        parts = self._gradient.own_parts(self._samples(step))
        return {number: self._assemble(step, number, part).pin_memory() for number, part in parts.items()}

    def _update_time(self, began: float) -> None:
        """Update the elapsed time, to that of the first process: learning rates must not differ."""
        (self.elapsed_s,) = self._processes.broadcast(time.perf_counter() - began)

    def _learning_rate(self) -> float:
        config = self.config
        factor = learning_rate_factor(self.progress, self.step, config.warmup_steps, config.final_learning_rate)
        return config.learning_rate * factor

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16")
