import errno
import json

import pytest
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import HeadConfig
from teamvla_learn.policies.msg_passing import MessageConfig, MsgPassingOptions
from teamvla_learn.policies.single_brain import SingleBrainOptions
from teamvla_learn.policies_command import find_checkpoints, policies

from tests.learn.train.jobs import train


@pytest.fixture
def runs(demos, tmp_path):
    """A folder with two checkpoints, and things that are none."""
    train(demos, tmp_path / "runs" / "a", policy="state", steps=1)
    train(demos, tmp_path / "runs" / "deep" / "b", policy="state", steps=1)
    (tmp_path / "runs" / "other").mkdir()
    (tmp_path / "runs" / "other" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "config.json").write_text("{")
    return tmp_path / "runs"


def test_checkpoints_are_found_below_a_folder(runs):
    assert [folder.name for folder, _ in find_checkpoints(runs)] == ["a", "b"]


def test_the_list_shows_names_and_folders(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["policies", "list", str(runs)]) == 0
    shown = capsys.readouterr().out
    for word in ("expert", "checkpoint", "StatePolicy", "lift", str(runs / "deep" / "b")):
        assert word in shown


def test_without_trainings_the_list_shows_what_is_shipped(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    assert main(["policies", "list"]) == 0
    told = capsys.readouterr()
    assert "baseline:lift" in told.out
    assert "checkpoints in" not in told.out
    assert not told.err


def test_the_list_looks_into_runs_by_default(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(runs.parent)
    assert main(["policies", "list"]) == 0
    assert "runs/a" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"policy": "vla"}, ["film_cnn, channels 16, 32, 64, 48", "words", "concat", "regression, huber loss"]),
        (
            {
                "policy": "vla",
                "model": SingleBrainOptions(
                    vision=VisionConfig(encoder="vit"),
                    fusion="attention",
                    head=HeadConfig(kind="flow", flow_steps=3, ensembling=0.5),
                ),
            },
            ["vit", "attention", "flow in 3 steps, ensembling 0.5"],
        ),
        ({"policy": "msg"}, ["2 of 32 numbers per control step", "instruction for", "all"]),
        ({"policy": "msg", "model": MsgPassingOptions(messages=MessageConfig(rounds=0))}, ["messages", "none"]),
    ],
)
def test_info_tells_networks_apart(demos, tmp_path, options, told, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    train(demos, tmp_path / "x", steps=1, batch_size=4, **options)
    assert main(["policies", "info", str(tmp_path / "x")]) == 0
    network = capsys.readouterr().out.partition("auxiliary targets")[0]
    assert [word for word in told if word not in network] == []


def test_info_tells_what_a_checkpoint_holds(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    config = json.loads((runs / "a" / "config.json").read_text())
    assert main(["policies", "info", str(runs / "a")]) == 0
    shown = capsys.readouterr().out
    for word in ("StatePolicy", "2 arms of 8 entries", "6 of lift", config["data"]["content_hash"], "schema version"):
        assert word in shown


@pytest.mark.parametrize(
    ("action", "folder", "message"),
    [
        ("info", None, "folder is missing: teamvla policies info FOLDER"),
        ("info", "nowhere", "checkpoint .*nowhere is missing"),
        ("list", "nowhere", "nowhere, which is missing; expected a folder"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, action, folder, message):
    with pytest.raises(UserError, match=message):
        policies(action, folder and str(tmp_path / folder))


def test_export_leaves_out_what_only_training_needs(runs, tmp_path, capsys):
    out = tmp_path / "shared" / "a"
    assert main(["policies", "export", str(runs / "a"), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors"]
    assert main(["policies", "info", str(out)]) == 0
    assert "StatePolicy" in capsys.readouterr().out
    for arguments, message in (
        ([], "out is missing: teamvla policies export"),
        (["--out", str(out)], "exists already"),
    ):
        assert main(["policies", "export", str(runs / "a"), *arguments]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x[lr=3]", "r[/a]", ":smile:", "[red]", "long-" * 30])
def test_names_are_shown_as_they_are_and_unbroken(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "runs" / name
    folder.mkdir(parents=True)
    config = {"schema_version": 2, "policy": "[b]P", "tasks": ["[/]t"], "training": {}, "data": {}}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    assert main(["policies", "list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if f"runs/{name}" in line)
    assert "[b]P" in row
    assert "[/]t" in row


def test_an_export_that_fails_leaves_nothing(runs, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "out" / "model.safetensors"))

    monkeypatch.setattr("teamvla_learn.policies.checkpoint.write_tensors", full)
    assert main(["policies", "export", str(runs / "a"), "--out", str(tmp_path / "out")]) == 2
    assert "no space left on device" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == []
