import pytest
import torch
from teamvla_envs.errors import UserError
from teamvla_learn.encoders.factory import make_vision
from teamvla_learn.encoders.spatial_softmax import SpatialSoftmax
from teamvla_learn.encoders.vision import FilmCNN, VisionConfig
from teamvla_learn.encoders.vit import ViT, ViTConfig

SMALL = VisionConfig(channels=(4, 8, 8, 6))


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (48, 80), (65, 33)])
def test_every_channel_becomes_a_point(size):
    network = FilmCNN(SMALL, size, condition_size=5)
    points = network(torch.randint(0, 256, (3, *size, 3), dtype=torch.uint8), torch.randn(3, 5)).points
    assert points.shape == (3, network.output_size) == (3, 18)
    assert points.abs().max() <= 1


def test_the_spatial_softmax_finds_a_peak():
    activations = torch.zeros(1, 1, 5, 5)
    activations[0, 0, 4, 1] = 50.0
    x, y, strength = SpatialSoftmax(5, 5)(activations).points[0].tolist()
    assert (x, y) == (pytest.approx(-0.5), pytest.approx(1.0))
    assert strength > 0.99


def test_the_strength_tells_that_there_is_nothing_to_find():
    activations = torch.full((1, 2, 5, 5), -4.0)
    activations[0, 1, 2, 2] = 8.0
    nothing, found = SpatialSoftmax(5, 5)(activations).points[0].unflatten(0, (2, 3))
    assert nothing.tolist() == pytest.approx([0.0, 0.0, -0.7616], abs=1e-3)  # tanh(-4 / 4), at the middle
    assert found[2] > 0.7


def test_the_sentence_changes_what_is_located():
    torch.manual_seed(0)
    network = FilmCNN(SMALL, (32, 32), condition_size=5)
    image = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    one, other = network(image.repeat(2, 1, 1, 1), torch.randn(2, 5)).points
    assert not torch.allclose(one, other, atol=1e-4)


def test_points_are_float32_under_bfloat16_convolutions():
    network = FilmCNN(SMALL, (32, 32), condition_size=5)
    image = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(image, torch.randn(2, 5)).points.dtype == torch.float32


@pytest.mark.parametrize(
    ("sizes", "given"),
    [
        ({"channels": (0, 16)}, r"\(0, 16\), \(5, 3, 3, 3\) and \(2, 2, 2, 1\)"),
        ({"kernels": (5, 3, 3, 0)}, r"\(16, 32, 64, 48\), \(5, 3, 3, 0\) and"),
        ({"channels": (8,), "kernels": (3,), "strides": (1,)}, r"\(8,\), \(3,\) and \(1,\)"),
        ({"channels": (), "kernels": (), "strides": ()}, r"\(\), \(\) and \(\)"),
    ],
)
def test_convolutions_that_cannot_be_made_are_refused(sizes, given):
    with pytest.raises(UserError, match=f"channels, kernels and strides are {given}.*, expected 2 or more of each"):
        VisionConfig(**sizes)


ENCODERS = {
    "film_cnn": SMALL,
    "vit": VisionConfig("vit", vit=ViTConfig(size=16, layers=1, heads=2, points=6)),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_by_name_find_points_where_the_sentence_wants_them(name):
    torch.manual_seed(0)
    network = make_vision(ENCODERS[name], (32, 48), condition_size=5)
    images = torch.randint(0, 256, (3, 32, 48, 3), dtype=torch.uint8)
    points, maps, _ = network(images, torch.randn(3, 5))
    assert points.shape == (3, network.output_size) == (3, 18)
    assert points.abs().max() <= 1
    assert maps.shape == (3, 6, 4, 6)
    one, other = network(images[:1].repeat(2, 1, 1, 1), torch.randn(2, 5)).points
    assert not torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_image_can_be_read_under_several_conditions(name):
    network = make_vision(ENCODERS[name], (32, 32), condition_size=5)
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    conditions = torch.randn(6, 5)
    assert torch.allclose(
        network(images, conditions).points,
        network(images.repeat_interleave(2, 0), conditions).points,
        atol=1e-5,
    )


def test_an_encoder_that_does_not_exist_is_named():
    with pytest.raises(UserError, match=r"vision encoder is 'resnet', allowed are film_cnn, vit and pretrained:NAME"):
        VisionConfig("resnet")


def test_a_image_without_enough_patches_is_refused():
    with pytest.raises(ValueError, match="expected at least 2 x 2 patches of 32 pixels"):
        ViT(ViTConfig(patch=32), (48, 64), 5)
