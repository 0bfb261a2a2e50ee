"""Attention fusion of keypoints, instruction and proprioception.

Keypoints, instruction and proprioception are tokens. Each arm has a query, initialized with instruction and
proprioception, that attends to all of them in two layers of cross-attention (Vaswani et al., "Attention is all you
need", NeurIPS 2017).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from teamvla_learn.encoders.spatial_softmax import POINT_SIZE

Fusion = Literal["concat", "attention"]


class AttentionFusion(nn.Module):
    """Keypoints (B, V, 3*C), instruction (B, E) and proprioception (B, P) to features (B, output_size).

    Args:
        num_arms: A, number of queries.
        views: V, number of cameras.
        points: C, keypoints per camera.
        sentence_size: E.
        proprioception_size: P.
        size: Length of a token.
        layers: Cross-attention layers.
        heads: Attention heads per layer.
    """

    def __init__(
        self,
        num_arms: int,
        views: int,
        points: int,
        sentence_size: int,
        proprioception_size: int,
        size: int = 64,
        layers: int = 2,
        heads: int = 4,
    ):
        super().__init__()
        self.place = nn.Linear(POINT_SIZE, size)
        self.point = nn.Parameter(0.5 * torch.randn(views * points, size))
        self.sentence = nn.Linear(sentence_size, size)
        self.proprioception = nn.Linear(proprioception_size, size)
        self.arms = nn.Parameter(0.5 * torch.randn(num_arms, size))
        layer = nn.TransformerDecoderLayer(size, heads, 4 * size, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(size))
        self.output_size = num_arms * size

    def forward(self, points: Tensor, instruction: Tensor, proprioception: Tensor) -> Tensor:
        """Return the concatenated outputs of all queries, (B, output_size)."""
        keypoints = self.place(points.flatten(1).unflatten(1, (-1, POINT_SIZE))) + self.point
        tokens = self.sentence(instruction)[:, None], self.proprioception(proprioception)[:, None]
        queries = self.arms + tokens[0] + tokens[1]
        return self.layers(queries, torch.cat([keypoints, *tokens], dim=1)).flatten(1)
