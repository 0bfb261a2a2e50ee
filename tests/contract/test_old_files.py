"""Files that earlier versions wrote stay readable."""

from contextlib import closing
from pathlib import Path

import numpy as np
from teamvla_envs.demos.reader import make_recorded_env, open_demos
from teamvla_envs.demos.replay import replay_demos
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.policies import make_policy
from teamvla_learn.data.dataset import load_demos

GOLDEN = Path(__file__).parents[1] / "golden"
DEMOS = GOLDEN / "demos_v1.hdf5"
CHECKPOINT = GOLDEN / "checkpoint_v2"


def test_demonstrations_of_schema_1_are_read_and_replayed_bit_for_bit():
    with open_demos(DEMOS) as file:
        assert [demo.seed for demo in file] == [0, 1]
        assert all(demo.verify_hash() for demo in file)
        with closing(make_recorded_env(file, 2, obs_mode="state", looks="primitives")) as env:
            assert [replayed.difference for replayed in replay_demos(env, list(file))] == [None, None]


def test_demonstrations_of_schema_1_can_be_learned_from():
    train, valid, source = load_demos([DEMOS], with_pixels=True, paraphrase=True)
    assert source.demos == 2
    assert valid is not None
    assert (len(train), len(valid)) == (117, 94)


def test_a_checkpoint_of_schema_2_acts_as_it_did():
    policy = make_policy(str(CHECKPOINT))
    with closing(TeamVectorEnv("lift", 1, **policy.env_kwargs)) as env:
        policy.bind(env)
        obs, _ = env.reset(seed=7)
        policy.reset(np.ones(1, bool))
        action = policy.act(obs)
    expected = [-0.0635, 0.0558, -0.0270, 0.0583, -0.0259, 0.0978, -0.0756, -1.0]
    np.testing.assert_allclose(action[0, :8], expected, atol=1e-3)
