"""Image encoder with a pretrained, frozen vision backbone of the ``transformers`` library.

The backbone is not part of the checkpoint: loading the policy requires the same model on the machine. It is read from a
folder or from the library's cache; nothing is downloaded or unpickled, and no code next to the model is executed (see
:mod:`teamvla_learn.encoders.pretrained_folder`). The layers after it are trained: the condition scales and shifts the
features (FiLM), and a linear layer maps them to keypoint activations.
"""

import math
from functools import lru_cache
from typing import Any

import torch
from teamvla_envs.errors import UserError
from teamvla_envs.outside import plain, shown
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.encoders.pretrained_folder import find_folder
from teamvla_learn.encoders.spatial_softmax import POINT_SIZE, Keypoints, SpatialSoftmax

PREFIX = "pretrained:"
# Statistics of ImageNet, on which most backbones were trained.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PretrainedPoints(nn.Module):
    """Images (B, H, W, 3) uint8 and conditions (B, E) float32 to keypoints (B, output_size) float32.

    Args:
        name: Name of the model, such as ``facebook/dinov2-small``, or a folder.
        condition_size: E.
        size: Number of features after the first trained layer.
        points: Number of keypoints.

    Raises:
        UserError: When the model is not on the machine.
    """

    def __init__(self, name: str, condition_size: int, size: int = 96, points: int = 48):
        super().__init__()
        config = _configuration(name)
        self._name = name
        self._image_size = _image_size(name, config)
        channels = config.hidden_sizes[-1] if hasattr(config, "hidden_sizes") else getattr(config, "hidden_size", None)
        if type(channels) is not int or channels < 1:
            raise UserError(f"vision encoder is {PREFIX}{plain(name)}, whose model has no hidden_size")
        self.film = nn.Linear(condition_size, 2 * size)
        self.features = nn.Linear(channels, size)
        self.maps = nn.Linear(size, points)
        self.output_size = POINT_SIZE * points

    def forward(self, images: Tensor, condition: Tensor) -> Keypoints:
        """Locate keypoints under one or more conditions per image, (B*k, E); see :meth:`FilmCNN.forward`."""
        features_map = self._backbone(images)  # (B, C, h, w)
        height, width = features_map.shape[2:]
        features = self.features(features_map.flatten(2).transpose(1, 2))
        features = features.repeat_interleave(len(condition) // len(images), dim=0)
        scale, shift = self.film(condition)[:, None].chunk(2, dim=-1)
        maps = self.maps(functional.relu(features * (1 + scale) + shift))
        locate = SpatialSoftmax(height, width).to(maps.device)
        return locate(maps.transpose(1, 2).unflatten(2, (height, width)))

    @torch.no_grad()
    def _backbone(self, images: Tensor) -> Tensor:
        backbone = _model(self._name).to(images.device)
        pixels = images.permute(0, 3, 1, 2).float().div(255)
        if self._image_size is not None:
            pixels = functional.interpolate(pixels, self._image_size, mode="bilinear", antialias=True)
        mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, STD))
        output = backbone(pixel_values=(pixels - mean) / std).last_hidden_state
        if output.ndim == 4:
            return output
        side = math.isqrt(output.shape[1])  # square grid of patches, after class and register tokens
        return output[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))


def _configuration(name: str) -> Any:
    transformers = _library(name)
    config = _read(name, transformers.AutoConfig)
    return getattr(config, "vision_config", config)


def _image_size(name: str, config: Any) -> tuple[int, int] | None:
    """Return the (H, W) of the images that a model requires [px]; None if it accepts any."""
    size = getattr(config, "image_size", None)
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else (*size, None, None)[:2]
    if type(height) is not int or type(width) is not int or not 1 <= min(height, width) <= max(height, width) <= 4096:
        raise UserError(
            f"vision encoder is {PREFIX}{plain(name)}, whose image_size is {shown(size)}, expected 1 to 4096"
        )
    return height, width


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    model = _read(name, _library(name).AutoModel, use_safetensors=True)
    return getattr(model, "vision_model", model).eval().requires_grad_(False)


def _library(name: str) -> Any:
    try:
        import transformers
        from transformers.utils import logging
    except ModuleNotFoundError:
        raise UserError(f"encoder {PREFIX}{name} needs the package transformers: teamvla-learn[transformers]") from None
    logging.disable_progress_bar()
    return transformers


def _read(name: str, kind: Any, **options: Any) -> Any:
    try:
        folder = find_folder(name)
        with torch.device("cpu"), torch.inference_mode(False):
            return kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except UserError as error:
        raise UserError(f"vision encoder is {PREFIX}{plain(name)}, but {error}") from error
    except Exception as error:  # the library raises many kinds of errors for damaged files
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"vision encoder is {PREFIX}{plain(name)}, whose model cannot be read ({plain(reason)})"
        ) from error
