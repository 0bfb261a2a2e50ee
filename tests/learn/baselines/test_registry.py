"""The policies that come with the package."""

import json
import shlex

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
def test_it_sees_pictures_and_nothing_privileged(name):
    assert make_policy(f"baseline:{name}").env_kwargs["obs_mode"] == "vision"


@pytest.mark.parametrize("name", NAMES)
def test_its_commands_are_teamvla_commands(name):
    words = [shlex.split(command)[:2] for command in get_baseline(name).commands]
    assert [command for _, command in words][-2:] == ["train", "policies"]
    assert {program for program, _ in words} == {"teamvla"}


def test_a_name_that_does_not_exist_is_told_with_those_that_do():
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
