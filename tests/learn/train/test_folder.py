import json
from typing import Any

import pytest
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.train import run as run_module
from teamvla_learn.train.folder import BestCheckpoint
from teamvla_learn.train.log import read_log
from teamvla_learn.train.settings import layered_settings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.learn.train.jobs import make_job, train


@pytest.fixture
def acting(monkeypatch):
    """Lets every closed-loop evaluation end with the next of some successes."""

    def give(*successes):
        left = list(successes)
        monkeypatch.setattr(run_module, "success_rates", lambda *_: {"lift": left.pop(0)})

    return give


def test_the_weights_that_solve_most_are_kept_beside_the_last(demos, tmp_path, acting):
    acting(0.25, 0.75, 0.5)
    options: dict[str, Any] = {
        "policy": "state",
        "steps": 6,
        "log_every": 1,
        "validate_episodes": 4,
        "validate_episodes_every": 2,
    }
    train(demos, tmp_path / "x", **options)
    rows = read_log(tmp_path / "x")
    assert {row["step"]: row["success"]["lift"] for row in rows if "success" in row} == {2: 0.25, 4: 0.75, 6: 0.5}
    best, last = load_checkpoint(tmp_path / "x" / "best"), load_checkpoint(tmp_path / "x")
    assert (best.info.training["step"], best.info.training["success"]) == (4, 0.75)
    assert any(not a.equal(b) for a, b in zip(best.policy.parameters(), last.policy.parameters(), strict=True))


def test_without_episodes_there_is_no_best(demos, tmp_path):
    train(demos, tmp_path / "x", policy="state", steps=2)
    assert not (tmp_path / "x" / "best").exists()


def test_what_is_best_is_known_after_an_interruption(demos, tmp_path, acting):
    acting(0.5)
    train(demos, tmp_path / "x", policy="state", steps=2, validate_episodes=4)
    checkpoint = load_checkpoint(tmp_path / "x")
    BestCheckpoint(tmp_path / "x").offer(checkpoint.policy, checkpoint.info, step=9, success=0.4)
    assert load_checkpoint(tmp_path / "x" / "best").info.training["success"] == 0.5


def test_the_log_is_there_for_tensorboard(demos, tmp_path):
    options: dict[str, Any] = {"policy": "state", "steps": 4, "log_every": 2, "tensorboard": True}
    train(demos, tmp_path / "x", **options)
    events = EventAccumulator(str(tmp_path / "x" / "tensorboard"))
    events.Reload()
    logged = [(event.step, event.value) for event in events.Scalars("train/total")]
    told = [(row["step"], pytest.approx(row["train"]["total"])) for row in read_log(tmp_path / "x")]
    assert logged == told
    train(demos, tmp_path / "x", overwrite=True, **options)


def test_the_settings_of_a_run_are_a_config_file(demos, tmp_path):
    options: dict[str, Any] = {"policy": "state", "steps": 2, "lr": 3e-4, "precision": "float32"}
    train(demos, tmp_path / "x", **options)
    assert layered_settings(configs=[tmp_path / "x" / "train.yaml"]) == make_job(demos, tmp_path, **options).settings


def test_a_checkpoint_says_what_wrote_it(demos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(demos, tmp_path / "x", policy="state", steps=1)
    config = json.loads((tmp_path / "x" / "config.json").read_text())
    assert config["schema_version"] == 2
    assert "git" not in config["versions"]
    assert config["data"]["files"] == [
        {"file": "demos.hdf5", "task": "lift", "demos": 6, "content_hash": config["data"]["content_hash"]}
    ]
