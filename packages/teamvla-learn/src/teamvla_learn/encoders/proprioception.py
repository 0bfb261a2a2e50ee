"""Proprioception encoder."""

from torch import Tensor, nn


class ProprioceptionEncoder(nn.Module):
    """Linear layer with ReLU: normalized proprioception (B, input_size) float32 to (B, size) float32."""

    def __init__(self, input_size: int, size: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(input_size, size), nn.ReLU())

    def forward(self, agent_pos: Tensor) -> Tensor:
        """Encode proprioception (B, input_size) as (B, size)."""
        return self.layers(agent_pos)
