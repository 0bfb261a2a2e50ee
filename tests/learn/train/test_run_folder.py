import errno
import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.policies import checkpoint as checkpoint_module
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.train import run as run_module
from teamvla_learn.train import run_folder as folder_module
from teamvla_learn.train.logging import read_log
from teamvla_learn.train.run_folder import BestCheckpoint
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


class Killed(BaseException):
    """Stands in for a signal that no program survives."""


@pytest.fixture
def kept(demos, tmp_path, acting):
    """A training whose best weights, of success 0.5, are kept, and the checkpoint of its last."""
    acting(0.5)
    train(demos, tmp_path / "x", policy="state", steps=2, validate_episodes=4)
    return tmp_path / "x", load_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("killed_in", ["save_checkpoint", "write_tensors", "rename", "rename again", "nothing"])
def test_whenever_it_is_killed_a_complete_best_is_left(kept, monkeypatch, killed_in):
    out, last = kept
    kill_in(monkeypatch, killed_in)
    with pytest.raises(Killed) if killed_in != "nothing" else nullcontext():
        BestCheckpoint(out).offer(last.policy, last.info, step=9, success=0.75)
    monkeypatch.undo()
    BestCheckpoint(out).offer(last.policy, last.info, step=10, success=0.25)
    best = load_checkpoint(out / "best").info.training
    written = killed_in not in ("save_checkpoint", "write_tensors")
    assert (best["step"], best["success"]) == ((9, 0.75) if written else (2, 0.5))


def kill_in(monkeypatch, where):
    """Stop the program in the middle of keeping weights."""

    def die(*_args, **_kwargs):
        raise Killed

    if where == "save_checkpoint":
        monkeypatch.setattr(folder_module, "save_checkpoint", die)
    elif where == "write_tensors":
        monkeypatch.setattr(checkpoint_module, "write_tensors", die)
    elif where.startswith("rename"):
        rename, left = Path.rename, [1] if where == "rename again" else []
        monkeypatch.setattr(Path, "rename", lambda path, to: rename(path, to) if left and left.pop() else die())


def test_an_incomplete_best_counts_for_nothing_and_is_replaced(kept):
    out, last = kept
    (out / "best" / "model.safetensors").unlink()
    BestCheckpoint(out).offer(last.policy, last.info, step=9, success=0.25)
    assert load_checkpoint(out / "best").info.training["success"] == 0.25
    assert sorted(path.name for path in out.iterdir() if "best" in path.name) == ["best"]


@pytest.mark.parametrize(
    ("out", "reason"),
    [("/proc/x", "no such file"), ("/dev/null/x", "not a directory"), ("x" * 300, "file name too long")],
)
def test_where_nothing_can_be_written_is_said_before_demonstrations_are_read(tmp_path, out, reason, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"out is {out}, which cannot be written: {reason}"):
        train(tmp_path / "missing.hdf5", Path(out), policy="state", steps=1)


def test_a_folder_that_cannot_be_written_later_is_named_too(demos, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/.x.123")

    monkeypatch.setattr(folder_module, "save_state", full)
    with pytest.raises(UserError, match=r"out is .*x, which cannot be written: no space left on device"):
        train(demos, tmp_path / "x", policy="state", steps=1)
    assert not list(tmp_path.glob("*x*"))


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


def test_an_out_behind_a_link_is_trained_into_and_the_link_stays(demos, tmp_path):
    (tmp_path / "disk").mkdir()
    for out, there in ((tmp_path / "a", tmp_path / "disk"), (tmp_path / "b", tmp_path / "disk" / "new")):
        out.symlink_to(there)
        train(demos, out, policy="state", steps=1)
        assert out.is_symlink()
        assert load_checkpoint(there).info.tasks == ("lift",)
        train(demos, out, overwrite=True, policy="state", steps=2)
        assert out.is_symlink()
        assert load_checkpoint(there).info.training["budget"]["steps"] == 2
        assert not list(there.parent.glob("*partial*"))


@pytest.fixture
def mount_point(tmp_path, monkeypatch):
    """A folder that can be neither removed nor renamed, nor can others take its name."""
    folder = tmp_path / "mounted"
    (folder / "lost+found").mkdir(parents=True)
    remove, rename = shutil.rmtree, Path.rename

    def guarded_remove(path, **options):
        if Path(path) == folder:
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        remove(path, **options)

    def guarded_rename(path, target):
        if folder in (path, Path(target)) or (folder in path.parents) != (folder in Path(target).parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))
        return rename(path, target)

    monkeypatch.setattr(shutil, "rmtree", guarded_remove)
    monkeypatch.setattr(Path, "rename", guarded_rename)
    return folder


def test_an_empty_mount_point_is_trained_into(demos, mount_point):
    options: dict[str, Any] = {"policy": "state", "steps": 2}
    train(demos, mount_point, **options)
    names = {"config.json", "model.safetensors", "training_state.safetensors", "train.yaml", "train_log.jsonl"}
    assert {path.name for path in mount_point.iterdir()} == {*names, "lost+found"}
    with pytest.raises(UserError, match="not empty: use --resume"):
        train(demos, mount_point, **options)
    train(demos, mount_point, overwrite=True, **options)
    assert {path.name for path in mount_point.iterdir()} == {*names, "lost+found"}


def test_a_training_killed_before_its_first_checkpoint_begins_again_in_an_existing_folder(demos, tmp_path):
    out = tmp_path / "x"
    train(demos, out, policy="state", steps=1)
    (out / ".first").mkdir()
    (out / "config.json").rename(out / ".first" / "config.json")  # the last one to be put in place
    train(demos, out, policy="state", steps=1)
    assert load_checkpoint(out).info.tasks == ("lift",)
    assert not (out / ".first").exists()


def test_what_a_killed_process_left_does_not_count_as_foreign(demos, tmp_path):
    train(demos, tmp_path / "x", policy="state", steps=1)
    (tmp_path / "x" / ".model.partial.safetensors").touch()
    train(demos, tmp_path / "x", overwrite=True, policy="state", steps=1)
    assert not (tmp_path / "x" / ".model.partial.safetensors").exists()
