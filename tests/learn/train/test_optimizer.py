import copy

import pytest
import torch
from safetensors.torch import load_file
from teamvla_envs.errors import UserError
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.losses import weighted_sum
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer
from teamvla_learn.train.optimizer import Optimizer

from tests.learn.train.jobs import train


def policy_with_gradients(demos, kind: str = "vla") -> LearnedPolicy:
    data, valid, source = load_demos(demos, with_pixels=True)
    tokenizer = build_tokenizer((data, valid))
    policy = build_policy(kind, TrainingData(data, source, tokenizer), seed=0)
    batch = next(BatchAssembler(data, tokenizer, 1, 32).sweep(8, 8))
    weighted_sum(policy.losses(batch)).backward()
    return policy


@pytest.mark.parametrize("kind", ["vla", "msg"])
def test_hidden_matrices_turn_in_all_directions_alike(demos, kind):
    policy = policy_with_gradients(demos, kind)
    for parameter in policy.parameters():
        stretched = torch.randn(len(parameter)).exp().reshape(-1, *[1] * (parameter.ndim - 1))
        parameter.grad = stretched * torch.randn_like(parameter)
    before = copy.deepcopy(policy)
    optimizer = Optimizer(policy, "muon", weight_decay=0.0)
    optimizer.step(1e-3)
    muon = {name.partition("/")[2] for name in optimizer.state() if name.startswith("momentum_buffer/")}
    for (name, new), old in zip(policy.named_parameters(), before.parameters(), strict=True):
        change = (new - old).detach()
        assert change.any(), name
        outer = name.startswith(("head.", "auxiliary.", "language.words.", "language.places.", "arm."))
        assert (name in muon) == (new.ndim in (2, 4) and not outer)
        if name in muon:
            lengths = torch.linalg.svdvals(change.flatten(1))
            assert lengths.max() < 2 * lengths.median(), name
            assert change.square().mean().sqrt() < 1.2 * 0.4e-3, name


def test_without_it_the_weights_are_those_of_adamw(demos):
    policy = policy_with_gradients(demos)
    other = copy.deepcopy(policy)
    for one, two in zip(policy.parameters(), other.parameters(), strict=True):
        two.grad = None if one.grad is None else one.grad.clone()
    optimizer, adamw = Optimizer(policy, "adamw", 0.1), torch.optim.AdamW(other.parameters(), weight_decay=0.1)
    for _ in range(3):
        optimizer.step(1e-3)
        adamw.step()
    for one, two in zip(policy.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_the_same_optimizer_gives_the_same_weights_and_no_other_goes_on(demos, tmp_path, name):
    train(demos, tmp_path / "whole", steps=4, optimizer=name)
    train(demos, tmp_path / "a", steps=4, optimizer=name)
    other = "adamw" if name == "muon" else "muon"
    with pytest.raises(UserError, match=f"optimizer is '{other}', .* was started with '{name}'"):
        train(demos, tmp_path / "a", steps=4, optimizer=other, resume=True)
    whole, a = (load_file(tmp_path / folder / "model.safetensors") for folder in ("whole", "a"))
    assert all(torch.equal(whole[key], a[key]) for key in whole)
