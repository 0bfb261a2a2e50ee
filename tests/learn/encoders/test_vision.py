import pytest
import torch
from teamvla_learn.encoders.vision import FilmCNN, SpatialSoftmax, VisionConfig

SMALL = VisionConfig(channels=(4, 8, 8, 6))


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (48, 80), (65, 33)])
def test_every_channel_becomes_a_point(size):
    network = FilmCNN(SMALL, size, condition_size=5)
    points = network(torch.randint(0, 256, (3, *size, 3), dtype=torch.uint8), torch.randn(3, 5))
    assert points.shape == (3, network.output_size) == (3, 12)
    assert points.abs().max() <= 1


def test_the_spatial_softmax_finds_a_peak():
    activations = torch.zeros(1, 1, 5, 5)
    activations[0, 0, 4, 1] = 50.0
    assert SpatialSoftmax(5, 5)(activations).tolist() == [[pytest.approx(-0.5), pytest.approx(1.0)]]


def test_the_sentence_changes_what_is_located():
    torch.manual_seed(0)
    network = FilmCNN(SMALL, (32, 32), condition_size=5)
    picture = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    one, other = network(picture.repeat(2, 1, 1, 1), torch.randn(2, 5))
    assert not torch.allclose(one, other, atol=1e-4)


def test_points_are_float32_under_bfloat16_convolutions():
    network = FilmCNN(SMALL, (32, 32), condition_size=5)
    picture = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(picture, torch.randn(2, 5)).dtype == torch.float32
