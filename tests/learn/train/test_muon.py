import copy
from typing import Any

import pytest
import torch
from teamvla_learn.train.optimizer import orthogonal, stacked_step
from torch import nn

SHAPES = [(16, 75), (64, 64), (288, 64), (48, 160), (1, 30)]


def test_turns_matrices_of_different_shapes_as_each_alone():
    torch.manual_seed(0)
    matrices = [torch.randn(shape) @ torch.randn(shape[1], shape[1]) for shape in SHAPES]
    for matrix, turned in zip(matrices, orthogonal(matrices, (3.4445, -4.775, 2.0315), 5, 1e-7), strict=True):
        assert turned.shape == matrix.shape
        values = torch.linalg.svdvals(turned)
        assert 0.3 < values.median() <= values.max() < 1.3


def test_takes_the_steps_of_muon():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    begun, others = copy.deepcopy(weights), copy.deepcopy(weights)
    options: Any = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    stacked, muon = torch.optim.Muon(weights, **options), torch.optim.Muon(others, **options)
    for _ in range(3):
        for one, two in zip(weights, others, strict=True):
            one.grad = torch.randn_like(one)
            two.grad = one.grad.clone()
        stacked_step(stacked)
        muon.step()
    for one, two, start in zip(weights, others, begun, strict=True):
        assert torch.equal(stacked.state[one]["momentum_buffer"], muon.state[two]["momentum_buffer"])
        assert (one - two).norm() < 0.05 * (two - start).norm(), one.shape  # bfloat16


def test_leaves_what_has_no_gradient():
    weight = nn.Parameter(torch.ones(3, 4))
    optimizer = torch.optim.Muon([weight], lr=0.1, adjust_lr_fn="match_rms_adamw")
    stacked_step(optimizer)
    assert torch.equal(weight, torch.ones(3, 4))
    weight.grad = torch.zeros_like(weight)
    stacked_step(optimizer)
    assert weight.detach().flatten().tolist() == pytest.approx(12 * [0.99])  # only the weight decay of 0.1
