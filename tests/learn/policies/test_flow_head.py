import numpy as np
import pytest
import torch
from teamvla_learn.data.normalization import Statistics
from teamvla_learn.policies.action_head import ActionHead, ActionSpace, HeadConfig
from teamvla_learn.policies.flow_head import FlowHead, make_head

SPACE = ActionSpace(num_arms=2, action_size=3, gripper_entries=(2,), chunk_length=2)
STATISTICS = Statistics(np.zeros(6, np.float32), np.ones(6, np.float32))
VALID = torch.ones(64, 2, dtype=torch.bool)


def make(seed: int = 0, **options) -> FlowHead:
    torch.manual_seed(0)
    return FlowHead(4, SPACE, STATISTICS, HeadConfig("flow", flow_seed=seed, **options))


def test_it_predicts_every_arms_chunk():
    head = make()
    raw = head(torch.randn(5, 4))
    assert raw.shape == (5, 2, 2, 3)
    assert head.decode(raw).shape == (5, 2, 6)
    assert set(head.decode(raw)[..., [2, 5]].flatten().tolist()) <= {-1.0, 1.0}


def test_it_is_a_function_of_its_features_and_its_seed():
    features = torch.randn(5, 4)
    assert torch.equal(make()(features), make()(features))
    assert torch.allclose(make()(features)[2:3], make()(features[2:3]), atol=1e-6)
    assert not torch.allclose(make()(features), make(seed=1)(features))


def test_it_learns_to_do_one_of_two_things_where_a_regression_does_neither():
    torch.manual_seed(0)
    space, statistics = ActionSpace(1, 2, (1,)), Statistics(np.zeros(2, np.float32), np.ones(2, np.float32))
    features, valid = torch.zeros(256, 4), torch.ones(256, 1, dtype=torch.bool)
    actions = torch.full((256, 1, 2), 0.6)
    actions[::2] = -0.6
    generator = torch.Generator().manual_seed(0)
    ends = {}
    for kind in ("flow", "regression"):
        head = make_head(4, space, statistics, HeadConfig(kind, flow_steps=10, flow_size=64))
        optimizer = torch.optim.Adam(head.parameters(), 3e-3)
        for _ in range(300):
            optimizer.zero_grad()
            costs, _ = head.compute_loss(features, actions, valid, generator)
            costs["joints"].backward()
            optimizer.step()
        ends[kind] = abs(head(features)[0, 0, 0, 0].item())
    assert ends["regression"] < 0.1
    assert ends["flow"] == pytest.approx(0.6, abs=0.15)


def test_what_is_drawn_in_training_comes_from_the_generator():
    head, features, actions = make(), torch.randn(64, 4), torch.rand(64, 2, 6)
    first, again, other = (
        head.compute_loss(features, actions, VALID, torch.Generator().manual_seed(seed))[0]["joints"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_heads_are_made_by_kind():
    assert isinstance(make_head(4, SPACE, STATISTICS, HeadConfig()), ActionHead)
    assert isinstance(make_head(4, SPACE, STATISTICS, HeadConfig("flow")), FlowHead)
    raw, actions = torch.full((1, 2, 2, 3), 2.0), torch.zeros(1, 2, 6)
    huber, l1 = (
        ActionHead(4, SPACE, STATISTICS, loss).costs(raw, actions, VALID[:1])["joints"] for loss in ("huber", "l1")
    )
    assert (huber.item(), l1.item()) == pytest.approx((1.5, 2.0))


@pytest.mark.parametrize("change", [{"flow_steps": 0}, {"ensembling": -1.0}, {"flow_seed": -1}])
def test_settings_that_cannot_be_are_named(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        HeadConfig(**change)
