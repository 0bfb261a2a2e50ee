"""Joint positions, velocities, gripper openings and tool poses to a vector."""

from torch import Tensor, nn


class ProprioceptionEncoder(nn.Module):
    """One hidden layer: normalized (B, A*P) float32 to (B, size) float32."""

    def __init__(self, input_size: int, size: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(input_size, size), nn.ReLU())

    def forward(self, agent_pos: Tensor) -> Tensor:
        """Encode the proprioception of all arms."""
        return self.layers(agent_pos)
