"""Two rounds on real episodes of a state policy that has hardly learned anything."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.errors import UserError
from teamvla_learn.dagger import rounds as rounds_module
from teamvla_learn.dagger.collecting import RolloutSettings
from teamvla_learn.dagger.rounds import DaggerJob, run_dagger
from teamvla_learn.dagger.takeover import TakeoverRule
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.train.config import Budget, TrainConfig
from teamvla_learn.train.settings import Settings

from tests.learn.episodes import write_demos
from tests.learn.train.jobs import train


@pytest.fixture
def job(tmp_path: Path) -> DaggerJob:
    """A job of one round of three episodes."""
    collect(CollectConfig(CollectionSettings("lift", cameras=()), 3, tmp_path / "lift.hdf5", num_envs=3))
    train(tmp_path / "lift.hdf5", tmp_path / "start", policy="state", steps=5)
    return DaggerJob(
        demos=(tmp_path / "lift.hdf5",),
        init_from=tmp_path / "start",
        out=tmp_path / "out",
        rounds=1,
        rollouts=RolloutSettings(episodes=3, rule=TakeoverRule(patience=10), num_envs=3),
        settings=Settings(policy="state", train=TrainConfig(Budget(steps=5))),
    )


def test_a_round_learns_from_what_the_expert_added(job, monkeypatch):
    last = run_dagger(job)
    assert last == job.out / "round_1"
    data = load_checkpoint(last).info.data
    assert [file["file"] for file in data["files"]] == ["lift.hdf5", "round_1_lift.hdf5"]
    assert load_checkpoint(last).info.training["init_from"] == "start"
    assert json.loads((job.out / "dagger.json").read_text())["finished"] == 1

    def refuse(*arguments: Any) -> None:
        raise AssertionError("a finished round is not run again")

    monkeypatch.setattr(rounds_module, "collect_round", refuse)
    assert run_dagger(job) == last


def test_a_folder_of_another_job_is_refused(job):
    job.out.mkdir()
    (job.out / "thesis.tex").write_text("important")
    with pytest.raises(UserError, match=r"not empty and holds no dagger\.json"):
        run_dagger(job)


def test_every_task_of_the_learner_needs_a_file(job):
    others = write_demos(job.out.with_name("b.hdf5"), 2, task="handoff")
    with pytest.raises(UserError, match=r"demos has no file of lift, which .*start was trained on"):
        run_dagger(replace(job, demos=(others,)))


def test_another_plan_needs_another_folder(job):
    job.out.mkdir()
    (job.out / "dagger.json").write_text(json.dumps({"plan": {}, "finished": 0}))
    with pytest.raises(UserError, match="was started with demos None, now it is"):
        run_dagger(job)
