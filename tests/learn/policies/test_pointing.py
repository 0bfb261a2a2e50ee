"""The cost of pointing is least for maps that are where the things are."""

import pytest
import torch
from teamvla_learn.encoders.spatial_softmax import Keypoints, SpatialSoftmax
from teamvla_learn.policies.losses import pointing_cost


def found(activations: torch.Tensor, anchor: float = 0.5) -> Keypoints:
    height, width = activations.shape[2:]
    return SpatialSoftmax(height, width, anchor)(activations)


def test_the_middle_of_the_learned_map_is_the_place():
    activations = torch.zeros(1, 2, 6, 8, requires_grad=True)
    places = torch.tensor([[[0.3, 0.7], [0.95, 0.1]]])
    optimizer = torch.optim.Adam([activations], 0.3)
    for _ in range(400):
        optimizer.zero_grad()
        pointing_cost([(found(activations), places)]).backward()
        optimizer.step()
    x, y = found(activations).points.unflatten(1, (2, 3))[0, :, :2].unbind(-1)
    cells = torch.stack([(x + 1) / 2 * 7 + 0.5, (y + 1) / 2 * 5 + 0.5], dim=-1)
    assert torch.allclose(cells / torch.tensor([8, 6]), torch.tensor([[0.3, 0.7], [0.9375, 0.1]]), atol=0.01)


def test_an_anchor_moves_the_cells():
    peak = torch.full((1, 1, 8, 8), -20.0)
    peak[0, 0, 2, 3] = 20.0
    corner = torch.tensor([[[3 / 8, 2 / 8]]])
    assert pointing_cost([(found(peak, anchor=0.0), corner)]).item() == pytest.approx(0.0, abs=1e-4)
    assert pointing_cost([(found(peak, anchor=0.5), corner + 0.5 / 8)]).item() == pytest.approx(0.0, abs=1e-4)


def test_what_is_not_in_the_image_does_not_count():
    torch.manual_seed(0)
    activations = torch.randn(3, 2, 6, 8)
    places = torch.tensor([[0.3, 0.7], [1.2, 0.5], [float("nan"), float("nan")]])[:, None]
    alone = pointing_cost([(found(activations[:1]), places[:1])])
    assert torch.allclose(pointing_cost([(found(activations), places)]), alone)
    assert pointing_cost([(found(activations[1:]), places[1:])]).item() == 0.0


def test_cameras_count_by_what_is_seen_in_them():
    torch.manual_seed(0)
    activations, places = torch.randn(4, 1, 6, 8), torch.rand(4, 1, 2)
    together = pointing_cost([(found(activations), places)])
    apart = pointing_cost([(found(activations[:1]), places[:1]), (found(activations[1:]), places[1:])])
    assert torch.allclose(together, apart)
