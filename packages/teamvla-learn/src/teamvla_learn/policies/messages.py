"""Message exchange between arms, and the encoder of inboxes.

An exchange maps the messages of a round (B, A, W) to inboxes (B, A, A-1, W), senders in order of their number, and a
mask (B, A, A-1) bool of received messages: immediately in training, through a channel in execution.
"""

from collections.abc import Callable
from functools import cache

import torch
from teamvla_envs.env.messages import MessageBus, others
from torch import Tensor, nn

Exchange = Callable[[Tensor], tuple[Tensor, Tensor]]


def perfect(messages: Tensor) -> tuple[Tensor, Tensor]:
    """Deliver all messages (B, A, W); gradients flow from the receivers to the senders."""
    arms = messages.shape[1]
    inbox = messages[:, _others(arms, messages.device)]
    return inbox, torch.ones(inbox.shape[:-1], dtype=torch.bool, device=messages.device)


def dropping(rate: float, generator: torch.Generator) -> Exchange:
    """Make an exchange that loses messages at random.

    Args:
        rate: Probability that a message is lost.
        generator: Random generator on the device of the messages.
    """

    def exchange(messages: Tensor) -> tuple[Tensor, Tensor]:
        inbox, received = perfect(messages)
        kept = torch.rand(received.shape, generator=generator, device=generator.device) >= rate
        return inbox, received & kept

    return exchange


@cache
def _others(arms: int, device: torch.device) -> Tensor:
    """Return the senders of each arm's inbox, (A, A-1) int64, cached for each device."""
    with torch.inference_mode(False):  # usable in training after inference
        return torch.from_numpy(others(arms)).to(device)


def through(bus: MessageBus) -> Exchange:
    """Make an exchange through a message bus."""

    def exchange(messages: Tensor) -> tuple[Tensor, Tensor]:
        inbox, received = bus.transmit(messages.cpu().numpy())
        return torch.from_numpy(inbox).to(messages.device), torch.from_numpy(received).to(messages.device)

    return exchange


class InboxReader(nn.Module):
    """Attention over received messages: inbox (M, S, W) and mask (M, S) to vectors (M, size).

    All messages pass the same layers and compete by a learned score with a learned null message: the result does not
    depend on the order of the senders, and is defined for an empty inbox.

    Args:
        message_size: W.
        size: Length of the encoded inbox.
    """

    def __init__(self, message_size: int, size: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(message_size, size), nn.ReLU())
        self.score = nn.Linear(size, 1, bias=False)
        self.nothing = nn.Parameter(torch.zeros(size))

    def forward(self, inbox: Tensor, received: Tensor) -> Tensor:
        """Encode an inbox (M, S, W) float32 with a mask (M, S) bool of received messages."""
        messages = self.layers(inbox)
        null_message = self.nothing.to(messages.dtype).expand(len(messages), 1, -1)
        messages = torch.cat([null_message, messages], dim=1)
        present = torch.cat([torch.ones_like(received[:, :1]), received], dim=1)
        scores = self.score(messages).squeeze(-1).float().masked_fill(~present, -torch.inf)
        return (scores.softmax(-1).to(messages.dtype).unsqueeze(1) @ messages).squeeze(1)
