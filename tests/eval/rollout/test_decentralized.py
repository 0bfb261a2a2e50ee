import numpy as np
import pytest
from teamvla_envs import parallel_env
from teamvla_eval.rollout.decentralized import Decentralized, arm_observations


class Remembering:
    """Keeps what it saw; acts by its own name."""

    def __init__(self, agent):
        self.agent, self.resets, self.seen = agent, 0, []

    def reset(self):
        self.resets += 1

    def act(self, obs):
        self.seen.append(obs)
        return np.full(8, 0.1 * (1 + int(self.agent[-1])))


def assert_same(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"obs_mode": "state"},
        {"obs_mode": "state", "instruction_for": "arm_1"},
        {"obs_mode": "vision", "image_size": 16, "instruction_for": "arm_0"},
        {"obs_mode": "vision+state", "image_size": 16, "cameras": ["front"]},
    ],
)
def test_an_arm_sees_what_the_parallel_view_shows_it(kwargs, make_lift):
    vector, view = make_lift(2, **kwargs), parallel_env("lift", **kwargs)
    observation, _ = vector.reset(seed=[3, 4])
    for world, seed in enumerate((3, 4)):
        expected, _ = view.reset(seed=seed)
        assert_same(arm_observations(vector, observation)[world], expected)
    view.close()


def test_every_arm_of_every_world_has_a_policy_of_its_own(make_lift):
    made = []

    def make(agent):
        made.append(Remembering(agent))
        return made[-1]

    env = make_lift(2)
    team = Decentralized(make, {"obs_mode": "state"})
    team.bind(env)
    observation, _ = env.reset(seed=[3, 4])
    team.reset(np.array([True, False]))
    actions = team.act(observation)
    assert actions.shape == (2, 16)
    assert actions[:, 0] == pytest.approx([0.1, 0.1])
    assert actions[:, 8] == pytest.approx([0.2, 0.2])
    assert [policy.agent for policy in made] == ["arm_0", "arm_1"] * 2
    assert [policy.resets for policy in made] == [1, 1, 0, 0]
    assert not np.array_equal(made[0].seen[0], made[2].seen[0])


def test_an_action_of_the_wrong_shape_names_the_arm(make_lift):
    class Short(Remembering):
        def act(self, obs):
            return np.zeros(3)

    env = make_lift(1)
    team = Decentralized(Short, {})
    team.bind(env)
    observation, _ = env.reset(seed=3)
    with pytest.raises(ValueError, match=r"action of arm_0 has shape \(3,\), expected \(8,\)"):
        team.act(observation)
