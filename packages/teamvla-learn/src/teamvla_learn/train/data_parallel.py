"""Several processes that train one network, started by ``torchrun``; one alone has nobody to talk to."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from teamvla_envs.errors import UserError
from torch import Tensor, distributed

PATIENCE = timedelta(hours=2)  # how long the others wait while the first one evaluates or decodes demonstrations


@dataclass(frozen=True)
class Processes:
    """The processes of a training.

    Attributes:
        rank: Number of this one.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one writes files and talks to the user."""
        return self.rank == 0

    def agree(self, *numbers: float) -> tuple[float, ...]:
        """Return the first process's numbers, in all of them."""
        if self.size == 1:
            return numbers
        told = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(told, src=0)
        return tuple(told.tolist())

    def gather(self, tensor: Tensor) -> Tensor:
        """Return the tensors (n, ...) of all processes, in the order of their ranks, (size * n, ...)."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join_processes(device: str) -> Generator[Processes]:
    """Join the processes that ``torchrun`` started, if it did.

    Args:
        device: Where the network is trained; ``cuda`` takes one device per process.
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
        raise UserError(f"the environment variable {name} is {value!r}, expected a number, as torchrun sets it")
    return int(value)
