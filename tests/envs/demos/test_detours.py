"""Demonstrations in which the arms move towards another goal for a while."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from teamvla_envs import cli
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.detours import LATEST, LONGEST, SHORTEST, Detours
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError

EPISODES = 4
SETTINGS = CollectionSettings("drawer", cameras=(), noise=0.0, slips=0.0, detours=1.0)


@pytest.fixture(scope="module")
def drawer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demos") / "drawer.hdf5"
    collect(CollectConfig(SETTINGS, EPISODES, out, num_envs=EPISODES))
    return out


def test_the_arms_are_led_away_and_the_label_stays_right(drawer_file: Path):
    led_at_all = 0
    with open_demos(drawer_file) as file:
        for demo in file:
            done, right = (a.reshape(demo.num_samples, 2, -1) for a in (demo.actions, demo.expert_actions))
            assert np.array_equal(done[..., -1], right[..., -1])  # grippers
            led = np.flatnonzero((done != right).any((1, 2)))
            if len(led):  # two goals may ask for the same at times
                led_at_all += 1
                assert led[-1] - led[0] < LONGEST
    assert led_at_all >= EPISODES - 1


def test_every_detour_is_one_stretch_of_a_length_within_the_limits():
    with closing(TeamVectorEnv("drawer", 8, autoreset_mode="Disabled")) as env, closing(Detours(env, 1.0)) as detours:
        env.reset(seed=0)
        detours.begin(np.ones(8, bool), list(range(8)))
        right, state = env.expert_actions(), env.get_state()
        away = [(detours.lead(right, state, np.full(8, step)) != right).any(1) for step in range(LATEST + LONGEST + 1)]
    lengths = np.sum(away, axis=0)
    assert lengths.any()
    for world in np.flatnonzero(lengths):  # in others both goals ask for the same action in this state
        first, last = np.flatnonzero(np.array(away)[:, world])[[0, -1]]
        assert SHORTEST <= lengths[world] == last - first + 1 <= LONGEST


def test_they_replay_bit_for_bit(drawer_file: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["replay", str(drawer_file), "--verify"]) == 0
    assert f"{EPISODES} of {EPISODES} demos bit-exact" in capsys.readouterr().out


def test_the_file_is_the_same_when_two_worlds_collect_it(drawer_file: Path, tmp_path: Path):
    collect(CollectConfig(SETTINGS, EPISODES, tmp_path / "drawer.hdf5", num_envs=2))
    assert (tmp_path / "drawer.hdf5").read_bytes() == drawer_file.read_bytes()


def test_a_share_is_asked_for():
    with pytest.raises(UserError, match=r"detours is 1\.5, expected a share of 0 to 1"):
        CollectionSettings("lift", detours=1.5)
