"""How messages get from arm to arm: at once in training, through a channel in execution.

An exchange takes a round's messages (B, A, W) and returns inboxes (B, A, A-1, W), senders in order of their number,
and which of them were received, (B, A, A-1) bool.
"""

from collections.abc import Callable
from functools import cache

import torch
from teamvla_envs.env.messages import MessageBus, others
from torch import Tensor, nn

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


class InboxReader(nn.Module):
    """Messages (M, S, W) and which were received (M, S) to a vector (M, size).

    Every message that arrived is read by the same layers and weighed by a learned score against a learned "nothing",
    so that the result does not depend on the order of the senders, and an empty inbox means something, too.

    Args:
        message_size: W.
        size: Length of the result.
    """

    def __init__(self, message_size: int, size: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(message_size, size), nn.ReLU())
        self.score = nn.Linear(size, 1, bias=False)
        self.nothing = nn.Parameter(torch.zeros(size))

    def forward(self, inbox: Tensor, received: Tensor) -> Tensor:
        """Read."""
        heard = self.layers(inbox)
        nothing = self.nothing.to(heard.dtype).expand(len(heard), 1, -1)
        letters = torch.cat([nothing, heard], dim=1)
        present = torch.cat([torch.ones_like(received[:, :1]), received], dim=1)
        scores = self.score(letters).squeeze(-1).float().masked_fill(~present, -torch.inf)
        return (scores.softmax(-1).to(letters.dtype).unsqueeze(1) @ letters).squeeze(1)
