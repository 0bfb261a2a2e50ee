"""A policy that was hardly trained acts in the real environment."""

import pytest
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.train.validate import success_rates

from tests.learn.train.jobs import train


@pytest.mark.parametrize("episodes", [1, 3])
def test_every_task_has_a_rate(tmp_path, monkeypatch, episodes):
    monkeypatch.setattr("teamvla_learn.train.validate.WORLDS", 2)
    collect(CollectConfig(CollectionSettings("lift", cameras=()), 2, tmp_path / "lift.hdf5", num_envs=2))
    train(tmp_path / "lift.hdf5", tmp_path / "x", policy="state", steps=2, batch_size=4)
    monkeypatch.setattr("teamvla_envs.tasks.lift.Lift.horizon", 5)
    assert success_rates(load_checkpoint(tmp_path / "x"), episodes, threads=1) == {"lift": 0.0}
