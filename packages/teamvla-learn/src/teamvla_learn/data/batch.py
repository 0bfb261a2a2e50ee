"""What goes into a policy's network: tensors of one batch, all with first axis B."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class PolicyInput:
    """What a policy sees. A policy leaves out what it does not read.

    Attributes:
        pixels: Camera name -> (B, H, W, 3) uint8.
        agent_pos: (B, A*P) float32, proprioception of all arms.
        environment_state: (B, S) float32, privileged; None when the tasks' differ.
        tokens: (U, L) int64, the different sentences of this batch, padded with 0.
        sentence: (B,) int64, which of the U sentences each sample was told.
    """

    pixels: Mapping[str, Tensor] = field(default_factory=dict)
    agent_pos: Tensor | None = None
    environment_state: Tensor | None = None
    tokens: Tensor | None = None
    sentence: Tensor | None = None

    def to(self, device: torch.device) -> "PolicyInput":
        """Return the same on another device."""
        moved = {
            name: value.to(device)
            for name in ("agent_pos", "environment_state", "tokens", "sentence")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, pixels={name: image.to(device) for name, image in self.pixels.items()}, **moved)


@dataclass(frozen=True)
class Batch:
    """What a policy sees and what the expert did.

    Attributes:
        input: What the policy sees.
        actions: (B, K, A*D) float32, the expert's next K actions, in [-1, 1].
        valid: (B, K) bool, False after the end of the demonstration.
        auxiliary: Part of ``environment_state`` -> (B, k) float32, zeros where a sample's task lacks it.
        auxiliary_valid: The same names -> (B,) bool, whether the sample's task has the part.
        places: Camera name -> (B, T, 2) float32, where things are in its pictures
            (:func:`teamvla_learn.data.places.find_places`).
    """

    input: PolicyInput
    actions: Tensor
    valid: Tensor
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    auxiliary_valid: Mapping[str, Tensor] = field(default_factory=dict)
    places: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Batch":
        """Return the same on another device."""
        return Batch(
            self.input.to(device),
            self.actions.to(device),
            self.valid.to(device),
            {name: target.to(device) for name, target in self.auxiliary.items()},
            {name: known.to(device) for name, known in self.auxiliary_valid.items()},
            {camera: places.to(device) for camera, places in self.places.items()},
        )
