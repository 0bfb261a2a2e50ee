"""Optimizers: AdamW for all weights, or Muon for the matrices of hidden layers and AdamW for the rest.

Muon orthogonalizes the update of a matrix: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
(2024). Updates are scaled to twice the size that matches AdamW's (Liu et al., "Muon is scalable for LLM training",
2025), so that both use the same learning rate. A convolution is treated as a matrix with one row per output channel.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import torch
from torch import Tensor, nn

from teamvla_learn.policies.base import LearnedPolicy

OptimizerName = Literal["muon", "adamw"]

_SIZE = 2.0  # size of Muon's updates relative to AdamW's
_READOUTS = ("head.", "auxiliary.")  # output layers, which are not hidden


class Optimizer:
    """Optimizer of a policy's weights.

    Args:
        policy: The network; each step reads the ``grad`` of its parameters.
        name: ``muon`` or ``adamw``.
        weight_decay: Decoupled weight decay.
        threads: Number of threads for Muon on a CPU; the result does not depend on it.
    """

    def __init__(self, policy: LearnedPolicy, name: OptimizerName, weight_decay: float, threads: int = 1):
        self._matrices: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}  # weight, and a matrix that shares its memory
        if name == "muon":
            embeddings = {id(module.weight) for module in policy.modules() if isinstance(module, nn.Embedding)}
            for key, parameter in policy.named_parameters():
                hidden = parameter.requires_grad and not key.startswith(_READOUTS) and id(parameter) not in embeddings
                if hidden and parameter.ndim in (2, 4):
                    self._matrices[key] = parameter, nn.Parameter(_as_matrix(parameter.detach()))
        self._others = {key: p for key, p in policy.named_parameters() if key not in self._matrices}
        self._adamw = torch.optim.AdamW(self._others.values(), weight_decay=weight_decay, fused=True)
        self._pool = ThreadPoolExecutor(threads, "muon", initializer=torch.set_num_threads, initargs=(1,))
        self._muon = _muons({key: matrix for key, (_, matrix) in self._matrices.items()}, weight_decay)

    def step(self, learning_rate: float) -> None:
        """Take an optimization step."""
        for weight, matrix in self._matrices.values():
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
        muons = dict.fromkeys(self._muon.values())
        jobs = [self._pool.submit(_step, muon, _SIZE * learning_rate) for muon in muons]
        _step(self._adamw, learning_rate)
        for job in jobs:
            job.result()

    def state(self) -> dict[str, Tensor]:
        """Return the state by name: its own tensors, not copies, with the shapes of the weights (steps are scalars)."""
        tensors: dict[str, Tensor] = {}
        for key, parameter in self._others.items():
            moments: Any = self._adamw.state[parameter]
            if not moments:  # as AdamW does in its first step
                moments["step"] = torch.zeros((), device=parameter.device)
                moments |= {moment: torch.zeros_like(parameter.detach()) for moment in ("exp_avg", "exp_avg_sq")}
            tensors |= {f"{moment}/{key}": moments[moment] for moment in ("step", "exp_avg", "exp_avg_sq")}
        for key, (_, matrix) in self._matrices.items():
            moments = self._muon[key].state[matrix]
            if not moments:  # as Muon does
                moments["momentum_buffer"] = torch.zeros_like(matrix.detach())
            tensors[f"momentum_buffer/{key}"] = moments["momentum_buffer"]
        return tensors


def _muons(matrices: dict[str, nn.Parameter], weight_decay: float) -> dict[str, torch.optim.Muon]:
    """Return the optimizer of each matrix: one for all on a GPU, one for each on a CPU."""
    options: Any = {"weight_decay": weight_decay, "adjust_lr_fn": "match_rms_adamw"}
    if any(matrix.is_cuda for matrix in matrices.values()):
        return dict.fromkeys(matrices, torch.optim.Muon(matrices.values(), **options))
    large_first = sorted(matrices.items(), key=lambda item: -item[1].numel())  # balances the threads
    return {key: torch.optim.Muon([matrix], **options) for key, matrix in large_first}


def _step(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    if isinstance(optimizer, torch.optim.Muon) and optimizer.param_groups[0]["params"][0].is_cuda:
        stacked_step(optimizer)
    else:
        optimizer.step()


def _as_matrix(weight: Tensor) -> Tensor:
    """Return a weight (rows, ...) as a matrix that shares its memory, in either memory format."""
    if weight.ndim == 4 and not weight.is_contiguous():
        weight = weight.permute(0, 2, 3, 1)
    return weight.flatten(1)


@torch.no_grad()
def stacked_step(muon: torch.optim.Muon) -> None:
    """Take the step of ``muon.step()`` (with ``match_rms_adamw``), up to rounding, for all matrices at once.

    The matrices are padded with zeros to one size. ``torch.optim.Muon`` processes them one by one, in hundreds of small
    operations, each of which costs a GPU more to launch than to compute.
    """
    for group in muon.param_groups:
        matrices: list[Tensor] = []
        gradients: list[Tensor] = []
        momenta: list[Tensor] = []
        muon._init_group(group, matrices, gradients, momenta)
        if not matrices:
            continue
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        directions = torch._foreach_lerp(gradients, momenta, group["momentum"])
        updates = orthogonal(directions, group["ns_coefficients"], group["ns_steps"], group["eps"])
        torch._foreach_mul_(updates, [-0.2 * group["lr"] * max(matrix.shape) ** 0.5 for matrix in matrices])
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, updates)


def orthogonal(
    matrices: Sequence[Tensor], coefficients: tuple[float, float, float], steps: int, eps: float
) -> list[Tensor]:
    """Orthogonalize matrices by Newton-Schulz iterations: same shapes, float32, singular values of about 1.

    Zero padding stays zero, which allows matrices of different shapes in one stack.

    Args:
        matrices: Matrices (m, n) of any shapes.
        coefficients: Coefficients of the iteration's polynomial.
        steps: Number of iterations.
        eps: Lower limit of the norm that a matrix is divided by.
    """
    a, b, c = coefficients
    lying = [matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T for matrix in matrices]
    rows, columns = (max(matrix.shape[axis] for matrix in lying) for axis in (0, 1))
    stack = lying[0].new_zeros((len(lying), rows, columns), dtype=torch.bfloat16)
    places = [place[: m.shape[0], : m.shape[1]] for place, m in zip(stack, lying, strict=True)]
    torch._foreach_copy_(places, lying)
    stack = stack / stack.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = stack @ stack.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        stack = torch.baddbmm(stack, gram, stack, beta=a)
    turned = (place[: m.shape[0], : m.shape[1]] for place, m in zip(stack.float(), lying, strict=True))
    return [t if m.shape[0] <= m.shape[1] else t.T for t, m in zip(turned, matrices, strict=True)]
