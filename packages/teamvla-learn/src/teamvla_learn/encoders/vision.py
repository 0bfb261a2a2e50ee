"""A picture, read with a sentence in mind, to the places where what matters is.

A convolutional network whose features the sentence scales and shifts (FiLM: Perez et al., "FiLM: Visual
reasoning with a general conditioning layer", AAAI 2018), followed by a spatial softmax.
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
    """Which picture encoder, and its sizes; one entry per convolution.

    Attributes:
        encoder: ``film_cnn``, a convolutional network that the sentence acts on; ``vit``, a small vision transformer;
            or ``pretrained:NAME``, a frozen backbone of the transformers library, by its name or folder.
        channels: Output channels. The last are the number of points that are located.
        kernels: Kernel widths [px].
        strides: Strides [px].
        sharpness: Of the convolutional network: the larger, the more a point is the one cell that is most active.
        vit: Sizes of a vision transformer.
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
                "equally many of each, 2 or more, all at least 1"
            )


class FilmCNN(nn.Module):
    """ImageStore (B, H, W, 3) uint8 and conditions (B, E) float32 to points (B, output_size) float32.

    The sentence acts on every convolution but the first, which sees too little of the picture to profit from it.
    A learned bias per place, added before the last convolution, lets it also choose by place ("at the back").

    Args:
        config: Sizes.
        image_size: (H, W) [px].
        condition_size: E, length of the sentence's vector.
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
        middle = 0.5 / math.prod(config.strides)  # a place sees as far in all directions from its first pixel
        self.locate = SpatialSoftmax(heights[-1], widths[-1], middle, config.sharpness)
        self.output_size = POINT_SIZE * config.channels[-1]
        self.to(memory_format=torch.channels_last)  # twice as fast as channels-first with bfloat16 on CPUs

    def forward(self, images: Tensor, condition: Tensor) -> Keypoints:
        """Locate what the condition makes worth locating.

        With k conditions per picture, (B k, E), each picture is read under k neighboring ones: (B k, output_size).
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
    """Return the length of the feature map after each convolution [px]."""
    sizes = []
    for kernel, stride in zip(config.kernels, config.strides, strict=True):
        length = (length + 2 * (kernel // 2) - kernel) // stride + 1
        sizes.append(length)
    return sizes
