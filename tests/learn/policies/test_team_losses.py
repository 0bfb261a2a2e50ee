import numpy as np
import pytest
import torch
from teamvla_envs.control.actions import JOINT_STEP
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import compose
from teamvla_envs.scene.robots import get_robot
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.policies.action_head import ActionSpace
from teamvla_learn.policies.losses import LossWeights
from teamvla_learn.policies.team_losses import (
    TeamCosts,
    TeamMotion,
    collision_cost,
    cooperates,
    coordination_cost,
)

from tests.learn.policies.teams import LAYOUT, make_batch, make_team

PAIR = ("panda", "panda")


def line(*tools: float) -> torch.Tensor:
    """Arms whose points all lie at one place of the x axis [m], (1, A, 8, 3)."""
    points = torch.zeros(1, len(tools), 8, 3)
    points[..., 0] = torch.tensor(tools)[None, :, None]
    return points


def test_kinematics_are_those_of_the_environment():
    rng = np.random.default_rng(0)
    joint_pos = np.stack([get_robot(name).home for name in PAIR])[None] + 0.1 * rng.normal(size=(4, 2, 7))
    motion = rng.uniform(-1, 1, (4, 2, 7))
    frames, tool = Chains.of(compose(PAIR, ())).frames(joint_pos + JOINT_STEP * motion)
    points = TeamMotion(PAIR).points(torch.tensor(joint_pos).float(), torch.tensor(motion).float())
    assert points[:, :, -1].numpy() == pytest.approx(tool[..., :3, 3], abs=1e-5)
    assert points[:, :, :-1].numpy() == pytest.approx(frames[..., :3, 3], abs=1e-5)


def test_arms_act_jointly_when_both_hold_or_are_near():
    far, near = line(0.0, 1.0), line(0.0, 0.1)
    assert cooperates(far, torch.tensor([[0.0, 0.0]]))[0, 0, 1]
    assert not cooperates(far, torch.tensor([[0.0, 1.0]]))[0, 0, 1]
    assert cooperates(near, torch.tensor([[1.0, 1.0]]))[0, 0, 1]


def test_moving_together_costs_nothing_and_apart_the_square_of_the_centimeters():
    jointly = cooperates(line(0.0, 0.1), torch.ones(1, 2))
    assert coordination_cost(line(0.05, 0.15), line(0.0, 0.1), jointly).item() == pytest.approx(0, abs=1e-6)
    assert coordination_cost(line(0.0, 0.13), line(0.0, 0.1), jointly).item() == pytest.approx(9, rel=1e-3)
    assert coordination_cost(line(0.0, 0.13), line(0.0, 0.1), torch.zeros_like(jointly)).item() == 0


def test_only_coming_closer_than_the_margin_and_the_expert_costs():
    assert collision_cost(line(0.0, 0.2), line(0.0, 0.3)).item() == 0
    assert collision_cost(line(0.0, 0.06), line(0.0, 0.05)).item() == 0
    assert collision_cost(line(0.0, 0.08), line(0.0, 0.3)).item() == pytest.approx(25 * 2**2, rel=1e-3)


def test_both_pull_on_the_actions():
    costs = TeamCosts(LossWeights(coordination_weight=1.0, collision_weight=1.0), PAIR, LAYOUT, ActionSpace(2, 8, (7,)))
    batch = make_batch(make_team(2))
    batch.actions[..., [7, 15]] = -1.0  # both hold
    motions = torch.zeros(3, 2, 8, requires_grad=True)
    named = costs(motions, batch)
    assert set(named) == {"coordination", "collision"}
    named["coordination"].backward()
    assert motions.grad is not None
    assert (motions.grad[..., :7].abs().amax((0, 1)) > 0).sum() >= 6  # the last joint does not move the tool
    assert (motions.grad[..., 7] == 0).all()


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(ValueError, match="need robots and joint_pos"):
        TeamCosts(LossWeights(collision_weight=1.0), (), PartLayout(()), ActionSpace(2, 8, (7,)))
    assert (
        TeamCosts(LossWeights(), (), PartLayout(()), ActionSpace(2, 8, (7,)))(
            torch.zeros(3, 2, 8), make_batch(make_team(2))
        )
        == {}
    )
