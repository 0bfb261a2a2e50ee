"""A small vision transformer that reads a picture's patches together with the sentence, and returns points.

Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021). The condition is one more token before the patches, so
that every layer can attend to it; a linear layer turns the patches into maps of activation, and each map into a point.
"""

from dataclasses import dataclass

import torch
from teamvla_envs.errors import UserError
from torch import Tensor, nn

from teamvla_learn.encoders.spatial_softmax import POINT_SIZE, Keypoints, SpatialSoftmax


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a vision transformer.

    Attributes:
        patch: Width of a patch [px].
        size: Length of a token.
        layers: Transformer layers.
        heads: Attention heads per layer.
        points: Points that are located.
    """

    patch: int = 8
    size: int = 96
    layers: int = 3
    heads: int = 4
    points: int = 48


class ViT(nn.Module):
    """ImageStore (B, H, W, 3) uint8 and conditions (B, E) float32 to points (B, output_size) float32.

    Args:
        config: Sizes.
        image_size: (H, W) [px]; what is left over after whole patches is not seen.
        condition_size: E.
    """

    def __init__(self, config: ViTConfig, image_size: tuple[int, int], condition_size: int):
        super().__init__()
        rows, columns = (length // config.patch for length in image_size)
        if rows < 2 or columns < 2:
            raise UserError(f"pictures of {image_size} have no 2 x 2 patches of {config.patch} pixels")
        self.patches = nn.Conv2d(3, config.size, config.patch, config.patch)
        self.condition = nn.Linear(condition_size, config.size)
        self.places = nn.Parameter(0.02 * torch.randn(rows * columns, config.size))
        layer = nn.TransformerEncoderLayer(
            config.size, config.heads, 2 * config.size, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.maps = nn.Sequential(nn.LayerNorm(config.size), nn.Linear(config.size, config.points))
        self.locate = SpatialSoftmax(rows, columns)
        self._grid = rows, columns
        self.output_size = POINT_SIZE * config.points

    def forward(self, images: Tensor, condition: Tensor) -> Keypoints:
        """Locate what the condition makes worth locating.

        With k conditions per picture, (B k, E), each picture is read under k neighboring ones: (B k, output_size).
        """
        patches = self.patches(images.permute(0, 3, 1, 2).float().sub(127.5).div(64.0))
        tokens = patches.flatten(2).transpose(1, 2) + self.places
        tokens = tokens.repeat_interleave(len(condition) // len(images), dim=0)
        read = self.layers(torch.cat([self.condition(condition)[:, None].to(tokens.dtype), tokens], dim=1))
        return self.locate(self.maps(read[:, 1:]).transpose(1, 2).unflatten(2, self._grid))
