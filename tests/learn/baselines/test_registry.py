"""The policies that come with the package."""

import json
import shlex
from dataclasses import asdict
from typing import Any

import pytest
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_envs.policies import make_policy
from teamvla_learn.baselines.registry import baselines, get_baseline
from teamvla_learn.policies.checkpoint import CONFIG_FILE, MODEL_FILE

NAMES = tuple(baselines())
MOST_BYTES = 10_000_000  # of all weights: they travel in the wheel


def test_all_of_them_fit_into_the_wheel():
    assert sum((entry.folder / MODEL_FILE).stat().st_size for entry in baselines().values()) <= MOST_BYTES


def test_no_folder_is_without_an_entry():
    here = {path.parent.name for path in get_baseline(NAMES[0]).folder.parent.glob(f"*/{CONFIG_FILE}")}
    assert here == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_its_name_tells_tasks_and_architecture(name):
    entry = get_baseline(name)
    config = json.loads((entry.folder / CONFIG_FILE).read_text(encoding="utf-8"))
    task = name.removesuffix("-msg")
    assert tuple(config["tasks"]) == entry.tasks
    assert entry.tasks == (("lift", "handoff", "drawer") if task == "multitask" else (task,))
    assert config["policy"] == ("MsgPassingVLA" if name.endswith("-msg") else "SingleBrainVLA")


@pytest.mark.parametrize("name", NAMES)
def test_it_sees_images_and_nothing_privileged(name):
    assert make_policy(f"baseline:{name}").env_kwargs["obs_mode"] == "vision"


@pytest.mark.parametrize("name", NAMES)
def test_its_commands_are_still_understood_and_say_what_its_checkpoint_says(name, monkeypatch, tmp_path):
    jobs: list[Any] = []
    monkeypatch.setattr("teamvla_learn.train.run.run_training", jobs.append)
    monkeypatch.setattr("teamvla_learn.dagger.rounds.run_dagger", jobs.append)
    monkeypatch.chdir(tmp_path)
    words = [shlex.split(command) for command in get_baseline(name).commands]
    learning = [number for number, (_, command, *_) in enumerate(words) if command in ("train", "dagger")]
    assert {program for program, *_ in words} == {"teamvla"}
    assert [command for _, command, *_ in words[: learning[0]]] == ["collect"] * learning[0]
    assert words[-1][:3] == ["teamvla", "policies", "export"]
    assert words[-1][-2:] == ["--out", name]
    for number in learning:
        assert main(words[number][1:]) == 0
    config = json.loads((get_baseline(name).folder / CONFIG_FILE).read_text(encoding="utf-8"))
    model = jobs[-1].settings.model
    assert (model.vision.sharpness, list(model.vision.channels)) == (
        config["model"]["vision"]["sharpness"],
        config["model"]["vision"]["channels"],
    )
    assert model.losses.pointing_weight == config["model"]["pointing_weight"]
    if jobs[-1].settings.auxiliary is not None:
        assert list(jobs[-1].settings.auxiliary) == [target["name"] for target in config["model"]["auxiliary"]]
    train = jobs[-1].settings.train
    assert asdict(train.budget) == config["training"]["budget"]
    chosen = ("optimizer", "learning_rate", "batch_size", "seed", "shift", "contrast", "word_dropout")
    for name in (*chosen, "opening_weight", "openings_first"):
        assert getattr(train, name) == config["training"][name]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=f"policy baseline:nobody does not exist, allowed are .*{NAMES[0]}"):
        make_policy("baseline:nobody")


def test_they_are_listed(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["policies", "list", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(f"baseline:{name}" in shown for name in NAMES)


def test_one_can_be_looked_at_by_name(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["policies", "info", f"baseline:{NAMES[0]}"]) == 0
    assert get_baseline(NAMES[0]).tasks[0] in capsys.readouterr().out
