from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from teamvla_envs.errors import UserError
from teamvla_envs.scene.compose import compose
from teamvla_learn.policies.action_head import ActionHead
from teamvla_learn.policies.arm_view import OwnFrame, keypoints_for_arms, pool_arms, split_team
from teamvla_learn.policies.losses import weighted_sum
from teamvla_learn.policies.messages import dropping, perfect

from tests.learn.policies.teams import LAYOUT, make_batch, make_team, see, statistics


@pytest.mark.parametrize("arms", [2, 3, 4])
@pytest.mark.parametrize("messages", [{}, {"rounds": 1}, {"rounds": 3, "size": 5}, {"rounds": 0}, {"size": 0}])
def test_it_acts_for_teams_of_any_size_with_any_messages(arms, messages: dict[str, Any]):
    policy = make_team(arms, **messages)
    actions = policy.predict_chunk(see(policy))[:, 0]
    assert actions.shape == (3, 8 * arms)
    assert actions.abs().max() <= 1
    assert policy.rounds == (0 if 0 in messages.values() else messages.get("rounds", 2))


def first_messages(policy, batch):
    """The messages of the first round of a batch."""
    config = policy.config
    layout, peers = config.proprioception, config.messages.peers
    arms = split_team(batch, config.shared, config.carried, layout, config.instructed, peers)
    return policy.write(policy.begin(arms), 0)


def test_a_message_is_as_wide_as_was_asked_for_and_bounded():
    policy = make_team(size=5)
    messages = first_messages(policy, see(policy))
    assert messages.shape == (6, 5)
    assert messages.abs().max() <= 1


def test_what_one_arm_should_have_done_trains_what_another_says():
    policy = make_team(3).train()
    messages = []

    def listening(message):
        message.retain_grad()
        messages.append(message)
        return perfect(message)

    features = policy(see(policy), listening)
    features.unflatten(0, (-1, 3))[:, 0].sum().backward()  # only arm 0
    for message in messages:
        assert (message.grad[:, 1:].abs().amax((0, 2)) > 0).all()
    assert (messages[-1].grad[:, 0] == 0).all()  # its own last message goes to the others only


def test_without_messages_an_arm_knows_nothing_of_the_others():
    choices: list[tuple[dict[str, Any], bool]] = [
        ({"rounds": 0}, False),
        ({"rounds": 1}, True),
        ({"rounds": 0, "peers": True}, True),
    ]
    for messages, differ in choices:
        policy = make_team(2, **messages)
        seen = see(policy)
        assert seen.agent_pos is not None
        agent_pos = seen.agent_pos.clone()
        agent_pos[:, LAYOUT.size :] += 1.0
        before, after = (policy(x).unflatten(0, (-1, 2))[:, 0] for x in (seen, replace(seen, agent_pos=agent_pos)))
        assert torch.equal(before, after) is not differ


def told_apart(policy):
    """The same scenes, told in one sentence and in another."""
    seen = see(policy)
    assert seen.instruction is not None
    return seen, replace(seen, instruction=1 - seen.instruction)


def test_an_arm_that_is_not_told_does_not_know_the_sentence():
    policy = make_team(2, rounds=0, instruction_for="arm_1")
    before, after = (policy(seen).unflatten(0, (-1, 2)) for seen in told_apart(policy))
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_messages_carry_the_sentence_to_an_arm_that_is_not_told():
    policy = make_team(2, rounds=1, instruction_for="arm_1")
    before, after = (policy(seen).unflatten(0, (-1, 2)) for seen in told_apart(policy))
    assert not torch.equal(before[:, 0], after[:, 0])


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_arms_are_interchangeable_but_for_their_number(arms):
    policy = make_team(arms, alike=True)
    with torch.no_grad():
        policy.arm.weight.copy_(policy.arm.weight[:1].clone())
        policy.own_frame._turns.copy_(policy.own_frame._turns[:1].clone())
    seen = see(policy)
    order = list(np.random.default_rng(0).permutation(arms))
    assert seen.agent_pos is not None
    rows = seen.agent_pos.unflatten(1, (arms, -1))[:, order].flatten(1)
    pixels = dict(seen.pixels) | {f"wrist_{k}": seen.pixels[f"wrist_{j}"] for k, j in enumerate(order)}
    swapped = policy(replace(seen, agent_pos=rows, pixels=pixels)).unflatten(0, (-1, arms))
    assert torch.allclose(policy(seen).unflatten(0, (-1, arms))[:, order], swapped, atol=1e-5)


def test_the_order_of_an_inbox_does_not_matter_but_who_was_heard_does():
    policy = make_team(4)
    inbox = torch.randn(2, 3, 32)
    received = torch.tensor([[True, True, False], [False, False, False]])
    read = policy.readers[0]
    order = [2, 0, 1]
    assert torch.allclose(read(inbox, received), read(inbox[:, order], received[:, order]), atol=1e-6)
    garbled = torch.where(received[..., None], inbox, 1e3)
    assert torch.equal(read(inbox, received), read(garbled, received))
    assert not torch.allclose(read(inbox, received), read(inbox, torch.ones_like(received)))


def test_the_frame_of_an_arm_is_that_of_its_base():
    for arms in (2, 3, 4):
        frame = OwnFrame(LAYOUT, arms, statistics(arms * LAYOUT.size, 0))
        yaw = torch.tensor(compose(("panda",) * arms, ()).base_yaw, dtype=torch.float32)
        forward = torch.stack([yaw.cos(), yaw.sin(), 0 * yaw], dim=1)  # what an arm has before it
        assert torch.allclose(frame.turn(forward, torch.arange(arms)), torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)


def test_statistics_of_a_team_are_pooled_over_its_arms():
    rng = np.random.default_rng(0)
    samples = rng.normal(rng.normal(size=6), rng.uniform(0.5, 2, 6), (1000, 6))
    pooled = pool_arms(statistics(6, 0).of(samples), 2)
    assert pooled.mean == pytest.approx(samples.reshape(-1, 3).mean(0), abs=1e-5)
    assert pooled.std == pytest.approx(samples.reshape(-1, 3).std(0), abs=1e-5)


def test_every_part_of_it_learns():
    policy = make_team(3, instruction_for="arm_0", chunk_length=2).train()
    weighted_sum(policy.losses(make_batch(policy))).backward()
    assert [name for name, p in policy.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_its_losses_are_those_of_its_arms():
    policy = make_team(2)
    batch = make_batch(policy)
    assert isinstance(policy.head, ActionHead)
    raw = policy.head(policy(batch.input)).unflatten(0, (-1, 2))  # (B, A, K, 1, D)
    actions = batch.actions.unflatten(2, (2, 8))
    arms = [policy.head.costs(raw[:, k], actions[:, :, k], batch.valid)["joints"].item() for k in range(2)]
    assert policy.losses(batch)["joints"].value.item() == pytest.approx(np.mean(arms), rel=1e-5)


def test_messages_are_lost_in_training_the_same_ones_for_the_same_batch():
    policy = make_team(2, dropout=0.5).train()
    batch, other = make_batch(policy, seed=0), make_batch(policy, seed=1)
    value = policy.losses(batch)["joints"].value
    assert torch.equal(policy.losses(batch)["joints"].value, value)
    policy.config = replace(policy.config, messages=replace(policy.config.messages, dropout=0.0))
    assert not torch.equal(policy.losses(batch)["joints"].value, value)
    assert not torch.equal(policy.losses(other)["joints"].value, value)


def test_a_lossy_exchange_loses_that_share():
    _, received = dropping(0.3, torch.Generator().manual_seed(0))(torch.zeros(1000, 3, 4))
    assert received.float().mean() == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ({"instruction_for": "arm_2"}, "instruction_for is 'arm_2', allowed are all, arm_0, arm_1"),
        ({"dropout": 1.0}, "dropout is 1.0, expected 0 to less than 1"),
        ({"size": -1}, "size is -1"),
    ],
)
def test_messages_that_cannot_be_are_named(messages, message):
    with pytest.raises(ValueError, match=message):
        make_team(2, **messages)


def test_an_arm_points_in_the_images_that_it_sees():
    policy = make_team(3)
    cameras, batch = policy.config.cameras, 4
    number = {(camera, sample): 10 * k + sample for k, camera in enumerate(cameras) for sample in range(batch)}
    marks = {camera: torch.tensor([number[camera, sample] for sample in range(batch)]) for camera in cameras}
    pixels = {camera: mark.to(torch.uint8)[:, None, None, None].expand(-1, 8, 8, 3) for camera, mark in marks.items()}
    seen = replace(see(policy, batch), pixels=pixels)
    keypoints = {camera: mark.float()[:, None, None].expand(-1, 3, 2) for camera, mark in marks.items()}
    config = policy.config
    view = split_team(seen, config.shared, config.carried, config.proprioception, config.instructed, with_peers=False)
    own = view.images["wrist"][:, 0, 0, 0]
    assert keypoints_for_arms(keypoints, config.carried["wrist"])[:, 0, 0].tolist() == own.tolist()
    shared = view.images["front"][:, 0, 0, 0].repeat_interleave(3)
    assert keypoints_for_arms(keypoints, ["front"] * 3)[:, 0, 0].tolist() == shared.tolist()


def test_cameras_of_the_arms_are_those_that_the_robots_declare():
    config = replace(make_team(2).config, cameras=("front", "palm_0", "palm_1"), own_cameras=("wrist", "palm"))
    assert (config.shared, config.carried) == (("front",), {"palm": ("palm_0", "palm_1")})
    with pytest.raises(UserError, match="cameras lacks palm_1, expected the palm cameras of all arms or of none"):
        replace(config, cameras=("front", "palm_0"))
