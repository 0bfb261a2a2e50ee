"""Reading an inbox: attention over the messages that arrived, however many there are."""

import torch
from torch import Tensor, nn


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
