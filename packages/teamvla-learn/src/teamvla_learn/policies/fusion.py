"""Points of all cameras, the sentence and proprioception brought together by attention.

Every point that a camera's encoder located is a token of its own, and so are the sentence and proprioception. Each arm
asks its own question of all of them, which begins with sentence and proprioception, in two layers of cross-attention
(Vaswani et al., "Attention is all you need", NeurIPS 2017).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from teamvla_learn.encoders.spatial_softmax import POINT_SIZE

Fusion = Literal["concat", "attention"]


class AttentionFusion(nn.Module):
    """Points (B, V, 3 C) of V cameras, a sentence (B, E) and proprioception (B, P) to (B, output_size).

    Args:
        num_arms: A, questions that are asked.
        views: V.
        points: C, points per camera.
        sentence_size: E.
        proprioception_size: P.
        size: Length of a token.
        layers: Layers of cross-attention.
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

    def forward(self, points: Tensor, sentence: Tensor, proprioception: Tensor) -> Tensor:
        """Ask every arm's question."""
        seen = self.place(points.flatten(1).unflatten(1, (-1, POINT_SIZE))) + self.point
        told, felt = self.sentence(sentence)[:, None], self.proprioception(proprioception)[:, None]
        questions = self.arms + told + felt
        return self.layers(questions, torch.cat([seen, told, felt], dim=1)).flatten(1)
