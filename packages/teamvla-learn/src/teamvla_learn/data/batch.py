"""Inputs and targets of a policy's network; the first axis of all tensors is the batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

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

    def map(self, change: Callable[[Tensor], Tensor]) -> "PolicyInput":
        """Return the input with a function applied to every tensor."""
        changed = {
            name: change(value)
            for name in ("agent_pos", "environment_state", "tokens", "instruction")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, pixels={name: change(image) for name, image in self.pixels.items()}, **changed)


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
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory, from which it is copied to a GPU asynchronously."""
        return self._map(Tensor.pin_memory)

    def generator(self) -> torch.Generator:
        """Return a new generator with the batch's seed, on its device.

        Random draws of a policy in training, such as lost messages, depend on the batch alone: neither on the number of
        threads nor on interruptions.
        """
        return torch.Generator(self.actions.device).manual_seed(self.seed)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(
            self.input.map(change),
            change(self.actions),
            change(self.valid),
            {name: change(target) for name, target in self.auxiliary.items()},
            {name: change(known) for name, known in self.auxiliary_valid.items()},
            {camera: change(keypoints) for camera, keypoints in self.keypoints.items()},
            self.seed,
        )
