"""The gradient of a batch, computed in parts side by side.

Each part runs on a thread of its own with a copy of the network that shares its weights, and the parts' gradients are
added in a fixed order: the result depends on the number of parts, never on the number of threads. (Threads inside the
convolutions, torch's own way, wait for each other busily: as soon as anything else runs on the machine, a step takes
ten times as long.)
"""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from teamvla_learn.data.batch import Batch
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.losses import weighted_sum

MakeBatch = Callable[[int, np.ndarray], Batch]  # gets the number of the part and its samples


class ShardedGradient:
    """Computes gradients of a policy's loss.

    Args:
        policy: The network; its gradients are replaced by each call.
        shards: Parts of a batch.
        threads: Threads that work on them.
        autocast: Makes the context of the forward pass.
    """

    def __init__(self, policy: LearnedPolicy, shards: int, threads: int, autocast: Callable[[], torch.autocast]):
        self._policies = [policy, *(_twin(policy) for _ in range(shards - 1))]
        self._autocast = autocast
        self._pool = ThreadPoolExecutor(threads, "shard", initializer=torch.set_num_threads, initargs=(1,))

    def __call__(self, indices: np.ndarray, make_batch: MakeBatch) -> dict[str, Tensor]:
        """Leave the gradient of the mean loss in the policy's parameters.

        Args:
            indices: (B,) samples of the batch.
            make_batch: Makes the batch of a part.

        Returns:
            The mean loss terms and their weighted ``total``.
        """
        parts = [part for part in np.array_split(indices, len(self._policies)) if len(part)]
        shares = [len(part) / len(indices) for part in parts]
        jobs = [
            self._pool.submit(self._differentiate, number, part, share, make_batch)
            for number, (part, share) in enumerate(zip(parts, shares, strict=True))
        ]
        losses = [job.result() for job in jobs]
        self._add_gradients(len(parts))
        return {
            name: _sum([share * part[name] for share, part in zip(shares, losses, strict=True)]) for name in losses[0]
        }

    def _differentiate(
        self, number: int, indices: np.ndarray, share: float, make_batch: MakeBatch
    ) -> dict[str, Tensor]:
        policy = self._policies[number]
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


def _twin(policy: LearnedPolicy) -> LearnedPolicy:
    """Return a network with gradients of its own over the same weights."""
    twin = copy.deepcopy(policy)
    for parameter, original in zip(twin.parameters(), policy.parameters(), strict=True):
        parameter.data = original.data
    return twin


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
