"""Image encoder: a convolutional network conditioned on the instruction, followed by a spatial softmax.

The condition scales and shifts the features: Perez et al., "FiLM: Visual reasoning with a general conditioning layer"
(AAAI 2018).
"""

import math
from dataclasses import dataclass, field
from typing import Annotated

import torch
import tyro
from teamvla_envs.errors import UserError
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.encoders.pretrained import PREFIX
from teamvla_learn.encoders.spatial_softmax import POINT_SIZE, Keypoints, SpatialSoftmax
from teamvla_learn.encoders.vit import ViTConfig


@dataclass(frozen=True)
class VisionConfig:
    """Configuration of the image encoders; ``channels``, ``kernels`` and ``strides`` have one entry per convolution.

    Attributes:
        encoder: ``film_cnn``, a convolutional network conditioned on the instruction; ``vit``, a small vision
            transformer; or ``pretrained:NAME``, a frozen backbone of the transformers library, by its name or folder.
        channels: Output channels; the last entry is the number of keypoints.
        kernels: Kernel widths [px].
        strides: Strides [px].
        sharpness: Factor of the activations of a ``film_cnn``; a larger one moves keypoints toward the strongest cell.
        vit: Sizes of a ``vit``.
    """

    encoder: Annotated[str, tyro.conf.arg(aliases=["--vision"])] = "film_cnn"
    channels: tuple[int, ...] = (16, 32, 64, 48)
    kernels: tuple[int, ...] = (5, 3, 3, 3)
    strides: tuple[int, ...] = (2, 2, 2, 1)
    sharpness: float = 1.0
    vit: ViTConfig = field(default_factory=ViTConfig)

    def __post_init__(self) -> None:
        if self.encoder not in ("film_cnn", "vit") and not self.encoder.removeprefix(PREFIX) != self.encoder:
            raise UserError(f"vision encoder is {self.encoder!r}, allowed are film_cnn, vit and {PREFIX}NAME")
        sizes = self.channels, self.kernels, self.strides
        if not len(self.channels) == len(self.kernels) == len(self.strides) >= 2 or min(map(min, sizes)) < 1:
            raise UserError(
                f"channels, kernels and strides are {self.channels}, {self.kernels} and {self.strides}, expected "
                "2 or more of each, equally many, all at least 1"
            )


class FilmCNN(nn.Module):
    """Images (B, H, W, 3) uint8 and conditions (B, E) float32 to keypoints (B, output_size) float32.

    The condition modulates every convolution but the first, whose receptive field is too small to profit from it. A
    learned bias per cell, added before the last convolution, lets it also select by position ("at the back").

    Args:
        config: Sizes.
        image_size: (H, W) [px].
        condition_size: E.
    """

    def __init__(self, config: VisionConfig, image_size: tuple[int, int], condition_size: int):
        super().__init__()
        inputs = (3, *config.channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, kernel, stride, kernel // 2)
            for a, b, kernel, stride in zip(inputs, config.channels, config.kernels, config.strides, strict=True)
        )
        self._film_sizes = [2 * channels for channels in config.channels[1:]]
        self.film = nn.Linear(condition_size, sum(self._film_sizes))
        heights, widths = (_map_sizes(length, config) for length in image_size)
        self.places = nn.Parameter(torch.zeros(config.channels[-2], heights[-2], widths[-2]))
        middle = 0.5 / math.prod(config.strides)  # the receptive field of a cell is centered on its first pixel
        self.locate = SpatialSoftmax(heights[-1], widths[-1], middle, config.sharpness)
        self.output_size = POINT_SIZE * config.channels[-1]
        self.to(memory_format=torch.channels_last)  # twice as fast as channels-first with bfloat16 on CPUs

    def forward(self, images: Tensor, condition: Tensor) -> Keypoints:
        """Locate keypoints under a condition.

        With k conditions per image, (B*k, E), image i is encoded under the conditions i*k to i*k + k - 1: (B*k, ...).
        """
        dtype = torch.get_autocast_dtype(images.device.type) if torch.is_autocast_enabled(images.device.type) else None
        features = images.permute(0, 3, 1, 2).to(dtype or torch.float32).sub(127.5).div(64.0)
        features = functional.relu(self.convolutions[0](features))
        if len(condition) != len(images):
            features = features.repeat_interleave(len(condition) // len(images), dim=0)
        films = self.film(condition).split(self._film_sizes, dim=-1)
        last = len(films) - 1
        for index, (convolution, film) in enumerate(zip(self.convolutions[1:], films, strict=True)):
            if index == last:
                features = features + self.places.to(features.dtype)
            scale, shift = film[:, :, None, None].chunk(2, dim=1)
            features = torch.addcmul(shift, convolution(features), 1 + scale)
            if index < last:
                features = functional.relu(features)
        return self.locate(features)


def _map_sizes(length: int, config: VisionConfig) -> list[int]:
    """Return the length of the feature map after each convolution, in cells."""
    sizes = []
    for kernel, stride in zip(config.kernels, config.strides, strict=True):
        length = (length + 2 * (kernel // 2) - kernel) // stride + 1
        sizes.append(length)
    return sizes
