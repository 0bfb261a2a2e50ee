"""A frozen backbone from a folder; a tiny one is made here, for nothing is downloaded."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from teamvla_envs.errors import UserError
from teamvla_learn.encoders.factory import make_vision
from teamvla_learn.encoders.vision import VisionConfig

from tests.learn.policies.teams import make_team, save_team, see


def make_vit() -> transformers.ViTModel:
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    return transformers.ViTModel(config)


def make_resnet() -> transformers.ResNetModel:
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return transformers.ResNetModel(config)


@pytest.fixture(params=[make_vit, make_resnet], ids=["vit", "resnet"])
def folder(request, tmp_path) -> Path:
    torch.manual_seed(0)
    request.param().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_its_features_become_points_where_the_sentence_wants_them(folder):
    torch.manual_seed(0)
    network = make_vision(VisionConfig(f"pretrained:{folder}"), (48, 64), condition_size=5)
    images = torch.randint(0, 256, (1, 48, 64, 3), dtype=torch.uint8)
    one, other = network(images, torch.randn(2, 5)).points
    assert one.shape == (network.output_size,) == (144,)
    assert one.abs().max() <= 1
    assert not torch.equal(one, other)


def test_it_is_frozen_and_not_part_of_the_checkpoint(folder, tmp_path):
    policy = make_team(2, vision=VisionConfig(f"pretrained:{folder}"))
    policy.predict_chunk(see(policy))[:, 0]
    assert not any("backbone" in name or "layer" in name for name, _ in policy.views.named_parameters())
    saved = save_team(policy, tmp_path / "team")
    size = sum(tensor.numel() for name, tensor in load_file(saved / "model.safetensors").items() if "views" in name)
    assert size == sum(p.numel() for p in policy.views.parameters())


def test_it_learns_in_training_after_it_acted(folder):
    network = make_vision(VisionConfig(f"pretrained:{folder}"), (32, 32), condition_size=5)
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        network(images, torch.randn(2, 5))
    network(images, torch.randn(2, 5)).points.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_model_that_is_not_here_is_named_and_not_downloaded():
    with pytest.raises(UserError, match="the model nobody/nothing is not on this machine and nothing is downloaded"):
        make_vision(VisionConfig("pretrained:nobody/nothing"), (32, 32), condition_size=5)
