"""Image encoder: a small vision transformer conditioned on the instruction, followed by a spatial softmax.

Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021). The condition is an additional token before the
patches; a linear layer maps the patches to keypoint activations.
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
        points: Number of keypoints.
    """

    patch: int = 8
    size: int = 96
    layers: int = 3
    heads: int = 4
    points: int = 48


class ViT(nn.Module):
    """Images (B, H, W, 3) uint8 and conditions (B, E) float32 to keypoints (B, output_size) float32.

    Args:
        config: Sizes.
        image_size: (H, W) [px]; the remainder after whole patches is not seen.
        condition_size: E.
    """

    def __init__(self, config: ViTConfig, image_size: tuple[int, int], condition_size: int):
        super().__init__()
        rows, columns = (length // config.patch for length in image_size)
        if rows < 2 or columns < 2:
            raise UserError(f"image_size is {image_size}, expected at least 2 x 2 patches of {config.patch} pixels")
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
        """Locate keypoints under one or more conditions per image, (B*k, E); see :meth:`FilmCNN.forward`."""
        patches = self.patches(images.permute(0, 3, 1, 2).float().sub(127.5).div(64.0))
        tokens = patches.flatten(2).transpose(1, 2) + self.places
        tokens = tokens.repeat_interleave(len(condition) // len(images), dim=0)
        read = self.layers(torch.cat([self.condition(condition)[:, None].to(tokens.dtype), tokens], dim=1))
        return self.locate(self.maps(read[:, 1:]).transpose(1, 2).unflatten(2, self._grid))
