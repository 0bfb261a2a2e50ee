"""Inputs and targets of a policy's network; the first axis of all tensors is the batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class PolicyInput:
    """Input of a policy. Every architecture reads some of the fields.

    Attributes:
        pixels: Camera name -> (B, H, W, 3) uint8.
        agent_pos: (B, A*P) float32, proprioception of all arms.
        environment_state: (B, S) float32, privileged state; None when it differs between the tasks.
        tokens: (U, L) int64, the distinct instructions of the batch, padded with 0.
        instruction: (B,) int64, index of each sample's instruction into ``tokens``.
    """

    pixels: Mapping[str, Tensor] = field(default_factory=dict)
    agent_pos: Tensor | None = None
    environment_state: Tensor | None = None
    tokens: Tensor | None = None
    instruction: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Inputs of a policy and the expert's actions.

    Attributes:
        input: Input of the policy.
        actions: (B, K, A*D) float32, the expert's next K actions, in [-1, 1].
        valid: (B, K) bool, False beyond the end of the demonstration.
        auxiliary: Part of ``environment_state`` -> (B, k) float32, zeros for samples whose task lacks it.
        auxiliary_valid: The same names -> (B,) bool, False for samples whose task lacks the part.
        keypoints: Camera name -> (B, T, 2) float32, image coordinates of the task's keypoints
            (:func:`teamvla_learn.data.keypoints.project_keypoints`).
        seed: Seed of the random draws of a policy in training, such as lost messages.
    """

    input: PolicyInput
    actions: Tensor
    valid: Tensor
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    auxiliary_valid: Mapping[str, Tensor] = field(default_factory=dict)
    keypoints: Mapping[str, Tensor] = field(default_factory=dict)
    seed: int = 0

    def to(self, device: torch.device, non_blocking: bool = False) -> "Batch":
        """Return the batch on another device."""
        return _map(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory, from which it is copied to a GPU asynchronously."""
        return _map(self, Tensor.pin_memory)

    def generator(self) -> torch.Generator:
        """Return a new generator with the batch's seed, on its device.

        Random draws of a policy in training, such as lost messages, depend on the batch alone: neither on the number of
        threads nor on interruptions.
        """
        return torch.Generator(self.actions.device).manual_seed(self.seed)


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a nested structure of dataclasses and mappings with a function applied to every tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _map(part, change) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{entry.name: _map(getattr(value, entry.name), change) for entry in fields(value)})
    return value
