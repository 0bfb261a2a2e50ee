from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from teamvla_envs.policies import ZeroPolicy, make_policy
from teamvla_eval.metrics.episode_meter import Meter
from teamvla_eval.rollout.ablations import Blind, FrozenArm, LossyMessages, ablated
from teamvla_eval.rollout.evaluate import EvaluationSettings
from teamvla_eval.rollout.per_world import OneByOne
from teamvla_eval.rollout.suite import run_suite

from tests.learn.policies.teams import make_team, save_team


# In ee_delta the tool rests while the joints relax towards their rest posture.
@pytest.mark.parametrize(("mode", "tolerance"), [("joint_delta", 1e-9), ("joint_pos", 1e-6), ("ee_delta", 0.01)])
def test_a_frozen_arm_stays_where_it_is(mode, tolerance, make_lift):
    env = make_lift(2, action_mode=mode)
    policy = FrozenArm(make_policy("random"), 1)
    policy.bind(env)
    observation, _ = env.reset(seed=[5, 6])
    policy.reset(np.ones(2, bool))
    target, opening = env.world.joint_target[:, 1].copy(), env.world.gripper_target[:, 1].copy()
    before = env.world.joint_target[:, 0].copy()
    for _ in range(10):
        observation, *_ = env.step(policy.act(observation))
    assert env.world.joint_target[:, 1] == pytest.approx(target, abs=tolerance)
    assert env.world.gripper_target[:, 1] == pytest.approx(opening)
    assert np.abs(env.world.joint_target[:, 0] - before).max() > 0.05


def test_an_arm_that_is_not_there_cannot_be_frozen(make_lift):
    with pytest.raises(ValueError, match="freeze-arm is 2, the arms are 0 to 1"):
        FrozenArm(ZeroPolicy(), 2).bind(make_lift())


class Watcher(ZeroPolicy):
    env_kwargs = {"obs_mode": "vision", "image_size": 16}  # noqa: RUF012

    def act(self, obs):
        self.seen = obs
        return super().act(obs)


def test_a_blind_policy_sees_black_and_still_hears(make_lift):
    watcher = Watcher()
    policy = Blind(watcher)
    env = make_lift(1, **policy.env_kwargs)
    policy.bind(env)
    observation, _ = env.reset(seed=3)
    policy.act(observation)
    assert observation["pixels"]["front"].any()
    assert not any(image.any() for image in watcher.seen["pixels"].values())
    assert watcher.seen["pixels"].keys() == observation["pixels"].keys()
    assert watcher.seen["instruction"] == observation["instruction"]


def test_who_sees_no_cameras_cannot_be_blinded(make_lift):
    with pytest.raises(ValueError, match="sees no cameras"):
        Blind(ZeroPolicy()).bind(make_lift())


@pytest.mark.parametrize(("drop_rate", "low", "high"), [(0.0, 1.0, 1.0), (0.25, 0.65, 0.85), (1.0, 0.0, 0.0)])
def test_messages_are_lost_at_the_given_rate(drop_rate, low, high, make_lift, tmp_path):
    team: Any = make_policy(str(save_team(make_team(), tmp_path / "team")))
    team.channel = replace(team.channel, noise=0.1)
    policy = LossyMessages(team, drop_rate)
    env = make_lift(4, **policy.env_kwargs)
    policy.bind(env)
    observation, _ = env.reset(seed=0)
    policy.reset(np.ones(4, bool))
    for _ in range(12):
        observation, *_ = env.step(policy.act(observation))
    assert team.bus.sent.tolist() == [[24, 24]] * 4  # two rounds in every step
    assert low <= team.bus.delivered.sum() / team.bus.sent.sum() <= high
    assert team.channel.noise == 0.1


def test_who_does_not_talk_cannot_lose_messages(make_lift):
    with pytest.raises(ValueError, match="its arms send no messages"):
        LossyMessages(ZeroPolicy(), 0.5).bind(make_lift())


def test_nothing_is_taken_away_unless_asked_for():
    policy = ZeroPolicy()
    assert ablated(policy, EvaluationSettings()) is policy
    assert isinstance(ablated(policy, EvaluationSettings(freeze_arm=0, deterministic=True)), FrozenArm)


def test_one_by_one_each_world_is_a_batch_of_its_own(make_lift):
    class Batch(ZeroPolicy):
        def act(self, obs):
            return np.full((len(obs), 16), len(obs) + float(self.env.seeds[0]) / 100, np.float32)

    env = make_lift(3)
    policy = OneByOne(Batch())
    policy.bind(env)
    observation, _ = env.reset(seed=[10, 20, 30])
    policy.reset(np.ones(3, bool))
    assert policy.act(observation)[:, 0] == pytest.approx([1.1, 1.2, 1.3])


class Network(ZeroPolicy):
    """A layer in single precision, whose product is rounded differently in batches of different sizes."""

    weights = np.random.default_rng(0).normal(0, 0.3, (2, 512, 512)).astype(np.float32)

    def act(self, obs):
        hidden = np.tanh(obs @ self.weights[0][: obs.shape[1]])
        return np.tanh(hidden @ self.weights[1][:, :16])


def test_one_by_one_records_are_the_same_for_any_number_of_worlds(make_lift):
    records = []
    for worlds in (1, 3):
        env = make_lift(worlds, autoreset_mode="Disabled", max_episode_steps=40)
        records.append(run_suite(env, OneByOne(Network()), [10, 20, 30, 40], meter=Meter(env)))
    assert records[0] == records[1]


@pytest.mark.parametrize("name", ["expert", "random", "zero"])
def test_one_by_one_does_what_all_at_once_do(name, make_lift):
    actions = []
    for policy in (make_policy(name), OneByOne(make_policy(name))):
        env = make_lift(3)
        policy.bind(env)
        observation, _ = env.reset(seed=[10, 20, 30])
        policy.reset(np.ones(3, bool))
        rows = []
        for _ in range(5):
            rows.append(policy.act(observation))
            observation, *_ = env.step(rows[-1])
        actions.append(np.stack(rows))
    assert (actions[0] == actions[1]).all()
