from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo import ParallelEnv
from pettingzoo.test import parallel_api_test
from teamvla_envs import parallel_env
from teamvla_envs.env.message_channel import MessageChannel
from teamvla_envs.env.messages import ChannelSettings, MessageBus, others


def words(arms: int, width: int = 4, start: int = 1) -> np.ndarray:
    """Messages of one world: arm k says start + k, again and again."""
    return np.repeat(np.arange(start, start + arms, dtype=np.float32), width).reshape(1, arms, width)


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_every_arm_gets_what_the_others_say_in_their_order(arms):
    bus = MessageBus(ChannelSettings(), 1, arms, 4)
    inbox, received = bus.transmit(words(arms))
    assert inbox.shape == (1, arms, arms - 1, 4)
    assert received.all()
    assert (inbox[0, :, :, 0] == 1 + others(arms)).all()


def test_a_delayed_message_arrives_so_many_control_steps_later_in_its_round():
    bus = MessageBus(ChannelSettings(delay=2), 1, 2, 4, rounds=2)
    heard = []
    for step in range(4):
        for number in range(2):
            inbox, received = bus.transmit(words(2, start=100 * number + 10 * step))
            heard.append((inbox[0, 1, 0, 0], received[0, 1, 0]))
        bus.advance()
    assert heard == [(0, False)] * 4 + [(0, True), (100, True), (10, True), (110, True)]


def test_half_of_the_messages_are_lost_each_delivery_by_itself():
    bus = MessageBus(ChannelSettings(drop_rate=0.5), 500, 3, 1)
    inbox, received = bus.transmit(np.ones((500, 3, 1)))
    assert received.mean() == pytest.approx(0.5, abs=0.05)
    assert (inbox[..., 0] == received).all()
    assert 0.15 < (received[:, 0, 1] & received[:, 1, 1]).mean() < 0.35  # both hear arm 2


def test_noise_has_the_standard_deviation_that_was_asked_for():
    inbox, _ = MessageBus(ChannelSettings(noise=0.2), 100, 2, 32).transmit(np.zeros((100, 2, 32)))
    assert inbox.std() == pytest.approx(0.2, rel=0.05)


def test_a_world_fares_the_same_in_any_company():
    settings = ChannelSettings(drop_rate=0.5, noise=0.1)

    def heard(seeds: list[int], world: int) -> np.ndarray:
        bus = MessageBus(settings, len(seeds), 2, 4)
        bus.reset(np.ones(len(seeds), bool), np.array(seeds))
        rounds = []
        for _ in range(5):
            rounds.append(bus.transmit(np.ones((len(seeds), 2, 4)))[0][world])
            bus.advance()
        return np.array(rounds)

    assert (heard([7], 0) == heard([3, 4, 7], 2)).all()
    assert (heard([7], 0) != heard([8], 0)).any()


def test_a_new_episode_hears_nothing_of_the_last_one():
    bus = MessageBus(ChannelSettings(delay=1), 2, 2, 4)
    bus.transmit(np.ones((2, 2, 4)))
    bus.advance()
    bus.reset(np.array([True, False]), np.array([1, 1]))
    _, received = bus.transmit(np.ones((2, 2, 4)))
    assert received.any((1, 2)).tolist() == [False, True]


def test_what_was_sent_and_delivered_is_counted():
    bus = MessageBus(ChannelSettings(drop_rate=1.0), 1, 3, 4)
    bus.transmit(words(3), np.array([[True, False, False]]))
    assert bus.sent.tolist() == [[1, 0, 0]]
    assert bus.delivered.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop_rate": 1.5}, "drop_rate: got 1.5, allowed are numbers from 0 to 1"),
        ({"delay": -1}, "delay: got -1"),
        ({"noise": float("nan")}, "noise: got nan"),
        ({"seed": -1}, "seed: got -1"),
        ({"width": 0}, "width: got 0"),
        ({"rounds": -1}, "rounds: got -1"),
    ],
)
def test_settings_that_cannot_be_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        MessageChannel(TalkingPair(), **change)


def test_messages_that_cannot_be_are_refused():
    bus = MessageBus(ChannelSettings(), 1, 2, 4)
    with pytest.raises(ValueError, match=r"shape \(1, 2, 3\), expected \(1, 2, 4\)"):
        bus.transmit(np.ones((1, 2, 3)))
    with pytest.raises(ValueError, match="finite"):
        bus.transmit(np.full((1, 2, 4), np.nan))
    bus.transmit(words(2))
    with pytest.raises(RuntimeError, match="all 1 rounds"):
        bus.transmit(words(2))


AGENTS = ("arm_0", "arm_1")


class TalkingPair(ParallelEnv):
    """The least that a channel needs of an environment: two agents that never end."""

    def __init__(self) -> None:
        self.possible_agents = self.agents = list(AGENTS)

    def observation_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Box(-1.0, 1.0, (3,))

    def action_space(self, agent: str) -> gym.Space[Any]:
        return gym.spaces.Box(-1.0, 1.0, (2,))

    def reset(self, seed=None, options=None):
        return {a: np.zeros(3) for a in self.agents}, {a: {} for a in self.agents}

    def step(self, actions):
        self.motions = actions
        nothing = dict.fromkeys(self.agents, 0.0)
        over = dict.fromkeys(self.agents, False)
        return {a: np.zeros(3) for a in self.agents}, nothing, over, over, {a: {} for a in self.agents}


def act(**says: np.ndarray) -> dict:
    return {a: {"motion": np.ones(2)} | ({"message": says[a]} if a in says else {}) for a in AGENTS}


def test_a_message_in_an_action_arrives_with_the_next_observation():
    pair = TalkingPair()
    channel = MessageChannel(pair, width=4)
    obs, _ = channel.reset(seed=0)
    assert not obs["arm_1"]["received"].any()
    obs, *_, infos = channel.step(act(arm_0=np.full(4, 0.5)))
    assert (obs["arm_1"]["inbox"] == 0.5).all()
    assert obs["arm_1"]["received"].tolist() == [1]
    assert obs["arm_0"]["received"].tolist() == [0]
    assert (pair.motions["arm_0"] == 1).all()
    assert infos["arm_0"]["bandwidth"] == {
        "sent_floats": 4, "sent_bytes": 16, "delivered_floats": 0, "delivered_bytes": 0
    }  # fmt: skip
    assert infos["arm_1"]["bandwidth"]["delivered_bytes"] == 16


@pytest.mark.parametrize(("delay", "arrives"), [(0, 1), (1, 1), (3, 3)])
def test_a_delay_counts_from_the_step_of_the_action(delay, arrives):
    channel = MessageChannel(TalkingPair(), width=4, delay=delay)
    channel.reset(seed=0)
    obs, *_ = channel.step(act(arm_0=np.ones(4)))
    step = 1
    while not obs["arm_1"]["received"].any():
        obs, *_ = channel.step(act())
        step += 1
    assert step == arrives


def test_an_exchange_delivers_within_the_control_step():
    channel = MessageChannel(TalkingPair(), width=4, rounds=2)
    channel.reset(seed=0)
    inbox, received = channel.exchange({"arm_0": np.ones(4)})["arm_1"]
    assert received.all()
    assert (inbox == 1).all()
    channel.exchange({})
    with pytest.raises(RuntimeError, match="all 2 rounds"):
        channel.exchange({})
    channel.step({a: np.ones(2) for a in AGENTS})
    channel.exchange({"arm_0": np.ones(4)})
    assert channel.bandwidth["arm_0"]["sent_floats"] == 8


def test_a_round_that_nobody_used_does_not_shift_those_after_it():
    channel = MessageChannel(TalkingPair(), width=4, rounds=1, delay=1)
    channel.reset(seed=0)
    channel.exchange({"arm_0": np.ones(4)})
    for arrived in (False, True, False):
        channel.step({a: np.ones(2) for a in AGENTS})
        if arrived is False:
            continue
        assert not channel.exchange({})["arm_1"][1].any()  # it arrived in the step in which nobody exchanged


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.exchange({"arm_7": np.ones(4)}), ValueError, "'arm_7' is no agent, allowed are arm_0, arm_1"),
        (
            lambda c: c.exchange({"arm_0": np.ones(3)}),
            ValueError,
            r"message of arm_0 has shape \(3,\), expected \(4,\)",
        ),
    ],
)
def test_what_is_wrong_with_an_exchange_is_named(call, error, message):
    channel = MessageChannel(TalkingPair(), width=4, rounds=1)
    with pytest.raises(error, match=message):
        call(channel)


def test_an_action_without_motion_is_refused_and_so_is_an_exchange_without_rounds():
    channel = MessageChannel(TalkingPair(), width=4)
    with pytest.raises(ValueError, match="action for arm_0: expected a dict of motion and message"):
        channel.step({"arm_0": np.ones(2)})
    with pytest.raises(RuntimeError, match="make it with rounds=1"):
        channel.exchange({})


@pytest.mark.parametrize("rounds", [0, 1])
def test_the_channel_is_a_pettingzoo_environment(rounds):
    channel = MessageChannel(parallel_env("lift", num_arms=3, max_cycles=20), width=8, rounds=rounds, drop_rate=0.2)
    parallel_api_test(channel, num_cycles=30)
    obs, _ = channel.reset(seed=1)
    for agent in channel.agents:
        assert channel.observation_space(agent).contains(obs[agent])
    channel.close()
