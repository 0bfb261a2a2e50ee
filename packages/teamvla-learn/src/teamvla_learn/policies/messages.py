"""How messages get from arm to arm: at once in training, through a channel in execution.

An exchange takes a round's messages (B, A, W) and returns inboxes (B, A, A-1, W), senders in order of their number,
and which of them were received, (B, A, A-1) bool.
"""

from collections.abc import Callable
from functools import cache

import torch
from teamvla_envs.env.messages import MessageBus, others
from torch import Tensor

Exchange = Callable[[Tensor], tuple[Tensor, Tensor]]


def perfect(messages: Tensor) -> tuple[Tensor, Tensor]:
    """Deliver everything; gradients flow from the receivers to the senders."""
    arms = messages.shape[1]
    inbox = messages[:, _others(arms, messages.device)]
    return inbox, torch.ones(inbox.shape[:-1], dtype=torch.bool, device=messages.device)


def dropping(rate: float, generator: torch.Generator) -> Exchange:
    """Make an exchange that loses each delivery with a probability.

    Args:
        rate: The probability.
        generator: Draws what is lost, on the messages' device.
    """

    def exchange(messages: Tensor) -> tuple[Tensor, Tensor]:
        inbox, received = perfect(messages)
        kept = torch.rand(received.shape, generator=generator, device=generator.device) >= rate
        return inbox, received & kept

    return exchange


@cache
def _others(arms: int, device: torch.device) -> Tensor:
    """Return the senders that each arm hears, (A, A-1) int64, made once for each device."""
    with torch.inference_mode(False):  # so that a network that has acted can be trained
        return torch.from_numpy(others(arms)).to(device)


def through(bus: MessageBus) -> Exchange:
    """Make an exchange over a channel; the bus counts the rounds."""

    def exchange(messages: Tensor) -> tuple[Tensor, Tensor]:
        inbox, received = bus.transmit(messages.cpu().numpy())
        return torch.from_numpy(inbox).to(messages.device), torch.from_numpy(received).to(messages.device)

    return exchange
