"""Muon for many small matrices on a GPU: all of them are turned at once, padded with zeros to one size.

``torch.optim.Muon`` takes them one after the other. That is hundreds of small operations a step, each of which costs a
GPU more to begin than to do.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def stacked_step(muon: torch.optim.Muon) -> None:
    """Take the step that ``muon.step()`` takes, up to rounding.

    Args:
        muon: With Nesterov's momentum and ``adjust_lr_fn="match_rms_adamw"``.
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
    """Return matrices of the same shapes, float32, whose singular values are about 1, by Newton-Schulz iterations.

    Zeros around a matrix stay zeros, so that matrices of different shapes can go through them in one stack.

    Args:
        matrices: Of any shapes.
        coefficients: Of the iteration's polynomial.
        steps: Iterations.
        eps: Shortest length of a matrix that is divided by.
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
