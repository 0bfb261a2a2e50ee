import json
import signal
import subprocess
import sys
import time
from typing import Any

import h5py
import pytest
from safetensors.torch import load_file
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.train import run as run_module
from teamvla_learn.train.command import _run_arguments
from teamvla_learn.train.logging import read_log

from tests.learn.train.jobs import train

FILES = {"config.json", "model.safetensors", "train.yaml", "train_log.jsonl", "training_state.safetensors"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "train_log.jsonl"}


@pytest.mark.parametrize("policy", ["vla", "state"])
def test_training_leaves_a_complete_checkpoint(demos, tmp_path, policy):
    out = tmp_path / "runs" / "x"
    train(demos, out=out, policy=policy, steps=3, batch_size=4)
    assert {path.name for path in out.iterdir()} == FILES
    checkpoint = load_checkpoint(out)
    assert checkpoint.info.tasks == ("lift",)
    assert checkpoint.info.data["demos"] == 6
    assert checkpoint.info.training["budget"] == {"steps": 3, "minutes": None}
    assert [row["step"] for row in read_log(out)] == [3]


def test_the_command_line_is_derived_from_the_signature(demos, tmp_path):
    arguments = [str(demos), "--out", str(tmp_path / "x"), "--policy", "state", "--steps", "2", "--batch-size", "4"]
    _run_arguments("teamvla train", arguments)
    assert (tmp_path / "x" / "model.safetensors").is_file()


def test_a_setting_that_cannot_be_is_one_line(demos, tmp_path, capsys):
    arguments = ["train", str(demos), "--out", str(tmp_path / "x")]
    assert main([*arguments, "--steps", "-5"]) == 2
    assert capsys.readouterr().err == "error: steps is -5, expected at least 1\n"
    assert main([*arguments, "--leraning-rate", "1"]) == 2
    assert "(did you mean --train.learning-rate?)" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["vla", "state"])
def test_a_resumed_training_equals_one_that_was_not_interrupted(demos, tmp_path, monkeypatch, policy):
    options: dict[str, Any] = {"policy": policy, "steps": 12, "batch_size": 4}
    train(demos, out=tmp_path / "whole", **options)

    monkeypatch.setattr(run_module, "interrupt_noted", InterruptAfter(questions=5))
    with pytest.raises(KeyboardInterrupt, match="step 5; continue with --resume"):
        train(demos, out=tmp_path / "parts", **options)
    monkeypatch.undo()
    assert load_file(tmp_path / "parts" / "model.safetensors").keys()
    train(demos, out=tmp_path / "parts", resume=True, **options)

    whole, parts = load_file(tmp_path / "whole" / "model.safetensors"), contents(tmp_path / "parts")
    assert parts["model.safetensors"] == contents(tmp_path / "whole")["model.safetensors"]
    assert parts["config.json"] == contents(tmp_path / "whole")["config.json"]
    state, other = (load_file(tmp_path / name / "training_state.safetensors") for name in ("whole", "parts"))
    assert state.keys() == other.keys() > {f"policy/{name}" for name in whole}
    assert all(tensor.equal(other[name]) for name, tensor in state.items())


class InterruptAfter:
    """Stands in for Ctrl-C: says no a number of times, then yes."""

    def __init__(self, questions: int):
        self._left = questions

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_a_finished_training_resumes_to_itself(demos, tmp_path):
    options: dict[str, Any] = {"out": tmp_path / "x", "policy": "state", "steps": 3, "batch_size": 4}
    train(demos, **options)
    before = [load_file(tmp_path / "x" / name) for name in ("model.safetensors", "training_state.safetensors")]
    train(demos, resume=True, **options)
    after = [load_file(tmp_path / "x" / name) for name in ("model.safetensors", "training_state.safetensors")]
    assert all(tensor.equal(new[name]) for old, new in zip(before, after, strict=True) for name, tensor in old.items())
    assert len(read_log(tmp_path / "x")) == 1


def test_sigterm_between_steps_leaves_what_resume_needs(demos, tmp_path):
    code = (
        "import sys; from teamvla_envs.cli import main\n"
        f"sys.exit(main(['train', {str(demos)!r}, '--out', {str(tmp_path / 'x')!r}, '--policy', 'state',"
        " '--minutes', '5', '--threads', '1', '--no-tensorboard']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        log = tmp_path / "x" / "train_log.jsonl"
        while process.poll() is None and not (log.is_file() and log.stat().st_size):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert "continue with --resume" in process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert {path.name for path in (tmp_path / "x").iterdir()} == FILES
    load_checkpoint(tmp_path / "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 8}, "batch_size is 8"),
        ({"lr": 1e-4}, "learning_rate is 0.0001"),
        ({"steps": 9}, "steps is 9"),
        ({"seed": 1}, "seed is 1"),
        ({"paraphrase": False}, "paraphrase is False"),
        ({"auxiliary": ()}, r"auxiliary is \(\)"),
        ({"policy": "state"}, "policy is StatePolicy"),
    ],
)
def test_resuming_with_other_settings_is_refused(demos, tmp_path, change, message):
    options: dict[str, Any] = {"policy": "vla", "steps": 2, "batch_size": 4}
    train(demos, out=tmp_path / "x", **options)
    before = contents(tmp_path / "x")
    with pytest.raises(UserError, match=f"cannot resume: {message}"):
        train(demos, out=tmp_path / "x", resume=True, **options | change)
    assert contents(tmp_path / "x") == before


def test_resuming_with_other_demonstrations_is_refused(demos, make_demos, tmp_path):
    train(demos, out=tmp_path / "x", steps=1, batch_size=4)
    with pytest.raises(UserError, match="other demonstrations"):
        train(make_demos(episodes=5), out=tmp_path / "x", steps=1, batch_size=4, resume=True)


def damaged(path):
    path.write_bytes(path.read_bytes()[:3000])


def foreign(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["images"] = [1, 2, 3]


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("demonstrations")


def without_training(path):
    with h5py.File(path, "r+") as file:
        del file["mask/train"]
        file.create_dataset("mask/train", data=[], dtype="S8")


@pytest.mark.parametrize("spoil", [damaged, foreign, empty, text, without_training, lambda path: path.unlink()])
def test_bad_demonstrations_are_one_line_and_nothing_is_written(demos, tmp_path, spoil):
    spoil(demos)
    with pytest.raises(UserError) as error:
        train(demos, out=tmp_path / "x", steps=1)
    assert "\n" not in str(error.value)
    assert "demos.hdf5" in str(error.value)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"minutes": -1.0}, "minutes is -1"),
        ({"minutes": 1.0, "steps": 1}, "either steps or minutes"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"lr": 0.0}, "learning_rate is 0"),
        ({"shards": 257}, "shards is 257, expected 1 to the batch size of 256"),
        ({"threads": 0}, "threads is 0"),
        ({"chunk_length": 0}, "chunk_length is 0"),
        ({"seed": -1}, "seed is -1"),
        (
            {"log_every": 10, "validate_every": 15},
            "validate_every is 15, expected a multiple of log_every, which is 10",
        ),
        (
            {"log_every": 300, "validate_every": 600, "validate_episodes": 4},
            "validate_episodes_every is 2000, expected a multiple of log_every, which is 300",
        ),
        ({"auxiliary": ("mass",)}, r"'mass', which .* allowed are object_pos, goal_pos"),
        ({"resume": True}, "x is missing"),
        ({"resume": True, "overwrite": True}, "exclude each other"),
    ],
)
def test_impossible_settings_are_refused(demos, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        train(demos, out=tmp_path / "x", **({} if "minutes" in options else {"steps": 1}) | options)
    assert not (tmp_path / "x").exists()


def test_state_is_needed_for_a_state_policy(make_demos, tmp_path):
    with pytest.raises(UserError, match=r"no environment_state"):
        train(make_demos(with_state=False), out=tmp_path / "x", policy="state", steps=1)


def test_demonstrations_without_state_train_a_vla_policy_without_auxiliary_targets(make_demos, tmp_path):
    train(make_demos(with_state=False), out=tmp_path / "x", steps=1, batch_size=4)
    assert load_checkpoint(tmp_path / "x").policy.config.auxiliary == ()


def test_a_folder_in_use_is_kept_unless_it_may_be_overwritten(demos, tmp_path):
    train(demos, out=tmp_path / "x", policy="state", steps=1, batch_size=4)
    before = contents(tmp_path / "x")
    with pytest.raises(UserError, match="--resume, --overwrite or another folder"):
        train(demos, out=tmp_path / "x", policy="state", steps=2, batch_size=4)
    assert contents(tmp_path / "x") == before
    train(demos, out=tmp_path / "x", policy="state", steps=2, batch_size=4, overwrite=True)
    assert json.loads((tmp_path / "x" / "config.json").read_text())["training"]["budget"]["steps"] == 2


def test_overwriting_never_deletes_what_training_did_not_write(demos, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.tex").write_text("important")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        train(demos, out=tmp_path / "x", policy="state", steps=1, overwrite=True)
    assert (tmp_path / "x" / "thesis.tex").read_text() == "important"


def test_importing_the_package_or_the_command_loads_nothing_heavy():
    code = (
        "import sys, teamvla_learn, teamvla_learn.train.command; "
        "print([name for name in ('torch', 'newton', 'warp', 'h5py', 'mujoco') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
