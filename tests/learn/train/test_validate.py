"""Closed-loop validation in the real environment; the network's actions are replaced by those of the expert."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.seeds import episode_seeds
from teamvla_learn.policies.checkpoint import Checkpoint, load_checkpoint
from teamvla_learn.policies.checkpoint_policy import CheckpointPolicy
from teamvla_learn.train.validate import success_rates

from tests.learn.train.jobs import train

SEEDS = [int(seed) for seed in episode_seeds("validation", 3)]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A state policy after one step, to be validated in two worlds."""
    monkeypatch.setattr("teamvla_learn.train.validate.WORLDS", 2)
    collect(CollectConfig(CollectionSettings("lift", cameras=()), 2, tmp_path / "lift.hdf5", num_envs=2))
    train(tmp_path / "lift.hdf5", tmp_path / "x", policy="state", steps=1, batch_size=4)
    return load_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("solved", [SEEDS, SEEDS[1:2]])
def test_the_rate_is_the_fraction_of_episodes_that_succeed(checkpoint, monkeypatch, solved: list[int]):
    def act(self: Any, obs: np.ndarray) -> np.ndarray:
        env = self._bound
        assert obs.shape == (2, env.single_observation_space.shape[0])
        return np.where(np.isin(env.seeds, solved)[:, None], env.expert_actions(), 0.0).astype(np.float32)

    monkeypatch.setattr(CheckpointPolicy, "act", act)
    assert success_rates(checkpoint, len(SEEDS), threads=1) == {"lift": len(solved) / len(SEEDS)}
