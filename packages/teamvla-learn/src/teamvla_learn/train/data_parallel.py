"""Data-parallel gradients, on the threads of one process and over processes started by ``torchrun``.

The parts of a batch are differentiated in parallel, each on a thread with a copy of the network that shares its
weights, and their gradients are added in a fixed order: the result depends on the number of parts, but not on the
number of threads or processes. (With torch's own threads inside the operations, a step takes ten times as long as soon
as another program runs on the machine, because they wait for each other busily.)
"""

import copy
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from teamvla_envs.errors import UserError
from torch import Tensor, distributed

from teamvla_learn.data.batch import Batch
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.losses import weighted_sum

PATIENCE = timedelta(hours=2)  # of processes that wait while the first one validates or decodes demonstrations


@dataclass(frozen=True)
class Processes:
    """The processes of a training.

    Attributes:
        rank: Number of this process.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and console output."""
        return self.rank == 0

    def broadcast(self, *numbers: float) -> tuple[float, ...]:
        """Return the numbers of the first process, in all processes."""
        if self.size == 1:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(values, src=0)
        return tuple(values.tolist())

    def gather(self, tensor: Tensor) -> Tensor:
        """Return the tensors (n, ...) of all processes, in the order of their ranks, (size * n, ...)."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join_processes(device: str) -> Generator[Processes]:
    """Context manager that joins the processes started by ``torchrun``, if any.

    Args:
        device: Device type of the training; ``cuda`` uses one device per process.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        yield Processes()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(_number("LOCAL_RANK", 0))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise UserError(f"the environment variable {name} is {value!r}, expected a number, as set by torchrun")
    return int(value)


MakeBatch = Callable[[int, np.ndarray], Batch]  # receives the number of the part and its samples


class ShardedGradient:
    """Gradient of a policy's loss over a batch, computed in parts.

    Args:
        policy: The network, whose gradients each call replaces.
        shards: Number of parts of a batch, over all processes.
        threads: Number of threads of this process.
        autocast: Makes the context of the forward pass.
        processes: The processes, each with an equal number of parts.
    """

    def __init__(
        self,
        policy: LearnedPolicy,
        shards: int,
        threads: int,
        autocast: Callable[[], torch.autocast],
        processes: Processes | None = None,
    ):
        self._processes = processes or Processes()
        own, rest = divmod(shards, self._processes.size)
        if rest:
            raise UserError(f"shards is {shards}, expected a multiple of the {self._processes.size} processes")
        self._shards, self._first = shards, own * self._processes.rank
        self._policies = [policy, *(_twin(policy) for _ in range(own - 1))]
        self._autocast = autocast
        self._pool = ThreadPoolExecutor(threads, "shard", initializer=torch.set_num_threads, initargs=(1,))

    def __call__(self, indices: np.ndarray, make_batch: MakeBatch) -> dict[str, Tensor]:
        """Compute the gradient of the mean loss in the ``grad`` of the policy's parameters.

        Args:
            indices: (B,) int64, samples of the batch, over all processes.
            make_batch: Makes the batch of a part.

        Returns:
            The mean loss terms and their weighted ``total``.
        """
        parts = self._parts(indices)
        shares = [len(part) / len(indices) for part in parts]
        own = self.own_parts(indices).items()
        jobs = [
            self._pool.submit(self._differentiate, number, part, shares[number], make_batch) for number, part in own
        ]
        losses = [job.result() for job in jobs]
        names = list(losses[0])
        values = torch.stack([torch.stack([part[name] for name in names]) for part in losses])
        if self._processes.size == 1:
            self._add_gradients(len(parts))
        else:
            self._add_gathered_gradients()
            values = self._processes.gather(values)
        return {
            name: _sum([share * value for share, value in zip(shares, column, strict=True)])
            for name, column in zip(names, values.unbind(1), strict=True)
        }

    def own_parts(self, indices: np.ndarray) -> dict[int, np.ndarray]:
        """Return the samples (b,) of this process's parts of a batch (B,), by the number of the part."""
        parts = self._parts(indices)
        return {
            part: parts[part] for part in range(self._first, self._first + len(self._policies)) if part < len(parts)
        }

    def _parts(self, indices: np.ndarray) -> list[np.ndarray]:
        return [part for part in np.array_split(indices, self._shards) if len(part)]

    def _differentiate(
        self, number: int, indices: np.ndarray, share: float, make_batch: MakeBatch
    ) -> dict[str, Tensor]:
        policy = self._policies[number - self._first]
        policy.zero_grad()
        batch = make_batch(number, indices)
        with self._autocast():
            terms = policy.losses(batch)
        total = weighted_sum(terms)
        (share * total).backward()
        return {"total": total.detach()} | {name: term.value.detach() for name, term in terms.items()}

    @torch.no_grad()
    def _add_gradients(self, count: int) -> None:
        for twin in self._policies[1:count]:
            for parameter, other in zip(self._policies[0].parameters(), twin.parameters(), strict=True):
                if parameter.grad is not None and other.grad is not None:
                    parameter.grad.add_(other.grad)

    @torch.no_grad()
    def _add_gathered_gradients(self) -> None:
        """Add the gradients of all parts of all processes, in the order of a single process."""
        own = [torch.cat([gradient.flatten() for gradient in _gradients(policy)]) for policy in self._policies]
        first, *others = self._processes.gather(torch.stack(own)).unbind()
        for other in others:
            first.add_(other)
        gradients = _gradients(self._policies[0])
        for gradient, total in zip(gradients, first.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))


def _gradients(policy: LearnedPolicy) -> list[Tensor]:
    return [parameter.grad for parameter in policy.parameters() if parameter.grad is not None]


def _twin(policy: LearnedPolicy) -> LearnedPolicy:
    """Return a copy of a network with the same weights in memory and its own gradients."""
    twin = copy.deepcopy(policy)
    for parameter, original in zip(twin.parameters(), policy.parameters(), strict=True):
        parameter.data = original.data
    return twin


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
