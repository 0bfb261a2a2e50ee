"""Multi-layer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def make_mlp(input_size: int, hidden_sizes: Sequence[int]) -> nn.Sequential:
    """Make linear layers, each followed by ReLU: (B, input_size) to (B, hidden_sizes[-1])."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((input_size, *hidden_sizes)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers)
