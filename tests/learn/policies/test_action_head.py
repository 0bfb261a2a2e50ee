import numpy as np
import pytest
import torch
from teamvla_learn.data.normalization import Statistics
from teamvla_learn.policies.action_head import ActionHead, ActionSpace

SPACE = ActionSpace(num_arms=2, action_size=3, gripper_entries=(2,))
STATISTICS = Statistics(np.full(6, 0.1, np.float32), np.full(6, 0.5, np.float32))


def test_joints_are_unnormalized_and_clipped_and_grippers_are_open_or_closed():
    head = ActionHead(4, SPACE, STATISTICS)
    raw = torch.tensor([[[[1.0, 0.0, 0.3], [9.0, -9.0, -0.3]]]])
    assert head.decode(raw)[0, 0].tolist() == pytest.approx([0.6, 0.1, 1.0, 1.0, -1.0, -1.0])


def test_predicting_the_expert_costs_nothing():
    head = ActionHead(4, SPACE, STATISTICS)
    actions = torch.tensor([[[0.6, 0.1, 1.0, -0.4, 0.1, -1.0]]])
    raw = torch.tensor([[[[1.0, 0.0, 50.0], [-1.0, 0.0, -50.0]]]])
    costs = head.costs(raw, actions, torch.ones(1, 1, dtype=torch.bool))
    assert {name: cost.item() for name, cost in costs.items()} == pytest.approx({"joints": 0, "gripper": 0})


def test_actions_after_the_end_of_a_demonstration_do_not_count():
    head = ActionHead(4, ActionSpace(2, 3, (2,), chunk_length=2), STATISTICS)
    raw, actions = torch.zeros(1, 2, 2, 3), torch.full((1, 2, 6), 0.1)
    actions[0, 1] = 1.0
    costs = head.costs(raw, actions, torch.tensor([[True, False]]))
    assert costs["joints"].item() == pytest.approx(0)


def test_each_arm_has_its_own_layer():
    head = ActionHead(4, SPACE, STATISTICS)
    for parameter in head.arms[1].parameters():
        torch.nn.init.zeros_(parameter)
    raw = head(torch.randn(5, 4))
    assert raw.shape == (5, 1, 2, 3)
    assert raw[:, :, 1].abs().max() == 0 < raw[:, :, 0].abs().max()
