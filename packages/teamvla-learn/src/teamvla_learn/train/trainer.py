"""The training loop of behavior cloning.

Its whole state is the weights, their average, the optimizer's moments, the number of steps and the seconds
spent; the batch of a step is a function of the seed and the step. So a run that is stopped and resumed equals one
that was not.
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
    """Follows a network that is being trained.

    Args:
        policy: The network.
        decay: Weight of the past at each update; early on less, so that the random start is soon forgotten.
    """

    def __init__(self, policy: LearnedPolicy, decay: float):
        self.policy = copy.deepcopy(policy).eval().requires_grad_(False)
        self._followed: list[Tensor] = list(policy.parameters())
        self._average: list[Tensor] = list(self.policy.parameters())
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._followed, 1.0 - decay)


Made = TypeVar("Made")

STEPS = 2  # that are made ahead, each on a thread of its own


class Prefetcher(Generic[Made]):
    """Something for each step that depends on the step alone.

    Args:
        make: Makes it, on any thread.
    """

    def __init__(self, make: Callable[[int], Made]):
        self._make = make
        self._pool = ThreadPoolExecutor(STEPS, "ahead")
        self._coming: dict[int, Future[Made]] = {}

    def __call__(self, step: int) -> Made:
        """Return what is made for a step, and begin with those after it."""
        steps = range(step, step + STEPS + 1)
        self._coming = {s: self._coming.get(s) or self._pool.submit(self._make, s) for s in steps}
        return self._coming.pop(step).result()


LogRow = dict[str, Any]


class Trainer:
    """Trains a policy on a dataset.

    Args:
        policy: The network, on the device where it is trained.
        train: Training samples.
        valid: Validation samples, or None.
        config: How to train.
        threads: Threads that compute gradients; None takes as many as there are shards.
        processes: Who trains together; every process has its own trainer, alike but for this.

    Attributes:
        policy: The network.
        average: Its weight average.
        optimizer: What changes its weights.
        step: Steps taken.
        elapsed_s: Seconds spent, over all resumptions.
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
        self._ahead = Prefetcher(self._make_ahead) if self._device.type == "cuda" else None

    @property
    def progress(self) -> float:
        """How much of the budget is spent, from 0 to 1."""
        return self.config.budget.progress(self.step, self.elapsed_s)

    def run(
        self,
        on_step: Callable[[], bool],
        on_log: Callable[[LogRow], None],
        act: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        """Train until the budget is spent.

        Args:
            on_step: Called between steps; returns True to stop here, in the first process.
            on_log: Called with each log row.
            act: Lets the weight average act in episodes, now and then, and returns each task's success; the first
                process calls it, the others wait.
        """
        began = time.perf_counter() - self.elapsed_s
        logged_step, logged_s = self.step, self.elapsed_s
        sums: dict[str, torch.Tensor] = {}
        while self.progress < 1.0 and not self._processes.broadcast(on_step())[0]:
            for name, value in self.train_step().items():
                sums[name] = sums.get(name, 0.0) + value
            self._tell_time(began)
            finished = self.progress >= 1.0
            if finished or self.step % self.config.log_every == 0:
                steps, seconds = self.step - logged_step, self.elapsed_s - logged_s
                row: LogRow = {"step": self.step, "time_s": round(self.elapsed_s, 3)}
                row |= {
                    "lr": self._learning_rate(),
                    "samples_per_s": round(steps * self.config.batch_size / seconds, 1),
                }
                row |= {"train": {name: float(value) / steps for name, value in sums.items()}}
                if self._valid is not None and (finished or self.step % self.config.validate_every == 0):
                    row["valid"] = self.validate()
                if act is not None and (finished or self.step % self.config.validate_episodes_every == 0):
                    row |= {"success": act()} if self._processes.leads else {}
                on_log(row)
                sums, logged_step = {}, self.step
                self._tell_time(began)
                logged_s = self.elapsed_s

    def train_step(self) -> dict[str, torch.Tensor]:
        """Take one step and return the loss terms and their weighted ``total``."""
        made = self._ahead(self.step) if self._ahead else None

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

    def _make_ahead(self, step: int) -> dict[int, Batch]:
        parts = self._gradient.own_parts(self._samples(step))
        return {number: self._assemble(step, number, part).pin_memory() for number, part in parts.items()}

    def _tell_time(self, began: float) -> None:
        """Note the time spent, in all processes that of the first: their learning rates must not differ."""
        (self.elapsed_s,) = self._processes.broadcast(time.perf_counter() - began)

    def _learning_rate(self) -> float:
        config = self.config
        factor = learning_rate_factor(self.progress, self.step, config.warmup_steps, config.final_learning_rate)
        return config.learning_rate * factor

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16")
