from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_learn.baselines.registry import checkpoint_folder
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.checkpoint import architecture_of, load_checkpoint
from teamvla_learn.policies.single_brain import SingleBrainOptions
from teamvla_learn.train.init_from import warn_of_network

from tests.learn.episodes import write_demos
from tests.learn.train.jobs import train


def test_a_training_goes_on_from_weights_with_other_demonstrations(demos, tmp_path):
    train(demos, tmp_path / "a", steps=3, batch_size=4, openings_first=20)
    (tmp_path / "more").mkdir()
    more = write_demos(tmp_path / "more" / "more.hdf5", 3, first=10)
    train((demos, more), tmp_path / "b", steps=1, batch_size=4, lr=1e-9, init_from=tmp_path / "a")
    before, after = (load_checkpoint(tmp_path / name) for name in ("a", "b"))
    assert after.info.vocabulary == before.info.vocabulary
    assert after.policy.normalization.to_json() == before.policy.normalization.to_json()
    for name, tensor in load_file(tmp_path / "a" / "model.safetensors").items():
        assert torch.allclose(tensor, after.policy.state_dict()[name], atol=1e-5)
    assert after.info.training["init_from"] == "a"
    assert (before.info.training["openings_first"], after.info.training["openings_first"]) == (20, 0)
    assert after.info.data["demos"] == 9


def test_it_resumes_as_any_other(demos, tmp_path):
    train(demos, tmp_path / "a", policy="state", steps=3)
    options: dict[str, Any] = {"policy": "state", "steps": 4, "init_from": tmp_path / "a"}
    train(demos, tmp_path / "b", **options)
    train(demos, tmp_path / "b", resume=True, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": ("front",)}, r"has cameras \('front', 'wrist_0', 'wrist_1'\), .* has \('front',\)"),
        ({"size": 16}, r"has image size \(32, 32\), .* has \(16, 16\)"),
        ({"state_parts": (("object_pos", 3), ("other", 3))}, "also learns to predict goal_pos"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(demos, tmp_path, change, message):
    train(demos, tmp_path / "a", steps=1, batch_size=4)
    (tmp_path / "more").mkdir()
    other = write_demos(tmp_path / "more" / "other.hdf5", 2, first=10, **change)
    with pytest.raises(UserError, match=message):
        train(other, tmp_path / "b", steps=1, batch_size=1, shards=1, init_from=tmp_path / "a")
    assert not (tmp_path / "b").exists()


def test_a_state_policy_is_not_continued_on_other_parts_of_the_same_size(demos, tmp_path):
    train(demos, tmp_path / "a", policy="state", steps=1)
    (tmp_path / "more").mkdir()
    other = write_demos(tmp_path / "more" / "other.hdf5", 2, state_parts=(("object_pos", 3), ("goal_error", 3)))
    with pytest.raises(UserError, match=r"has parts of environment_state .*goal_pos.*goal_error"):
        train(other, tmp_path / "b", policy="state", steps=1, batch_size=1, shards=1, init_from=tmp_path / "a")


def test_another_kind_of_network_is_refused(demos, tmp_path):
    train(demos, tmp_path / "a", policy="state", steps=1)
    with pytest.raises(UserError, match=r"policy is vla, init_from .*a holds a StatePolicy"):
        train(demos, tmp_path / "b", steps=1, init_from=tmp_path / "a")


@pytest.fixture
def begun(demos, tmp_path) -> Path:
    """A trained network with a narrow image encoder and chunks of two actions."""
    options = SingleBrainOptions(vision=VisionConfig(channels=(8, 8, 8, 8)))
    train(demos, tmp_path / "begun", steps=1, batch_size=4, chunk_length=2, model=options)
    return tmp_path / "begun"


@pytest.mark.parametrize("command", ["train", "dagger"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--fusion attention", "model.fusion is attention, but init_from has a network with concat, which it keeps"),
        ("--chunk-length 4", "chunk_length is 4, but init_from has a network with 2, which it keeps"),
        ("--policy state", "policy is state, init_from {begun} holds a SingleBrainVLA"),
    ],
)
def test_a_trained_network_cannot_be_changed(begun, tmp_path, capsys, command, options, message):
    words = f"{command} demos.hdf5 --init-from {begun} --out {tmp_path / 'b'} {options}"
    assert main(words.split()) == 2
    assert capsys.readouterr().err.strip() == f"error: {message.format(begun=begun)}"
    assert not (tmp_path / "b").exists()


def test_what_the_network_has_may_be_said_again(demos, begun, tmp_path):
    options = "--chunk-length 2 --model.vision.channels 8 8 8 8 --steps 1 --batch-size 4 --threads 1 --no-cache"
    assert main(f"train {demos} --init-from {begun} --out {tmp_path / 'b'} {options}".split()) == 0


def test_the_kind_of_policy_is_that_of_the_checkpoint(demos, tmp_path):
    train(demos, tmp_path / "a", policy="state", steps=1)
    words = f"train {demos} --init-from {tmp_path / 'a'} --out {tmp_path / 'b'} --preset tiny --steps 1 --threads 1"
    assert main(words.split()) == 0
    assert architecture_of(tmp_path / "b") == "state"


def test_what_files_ask_of_a_trained_network_is_said_not_to_count(begun, tmp_path, caplog):
    (tmp_path / "mine.yaml").write_text("model: {vision: {channels: [8, 8, 8, 8]}}\ntrain: {learning_rate: 1e-4}")
    (tmp_path / "other.yaml").write_text("chunk_length: 3")
    policy = load_checkpoint(begun).policy
    warn_of_network(policy, None, [tmp_path / "mine.yaml", Path("lift")])
    assert not caplog.messages
    warn_of_network(policy, "gpu", [tmp_path / "other.yaml"])
    assert caplog.messages == [
        "model.vision.channels of config gpu has no effect: init_from keeps its network",
        f"chunk_length of config {tmp_path / 'other.yaml'} has no effect: init_from keeps its network",
    ]


def test_a_baseline_can_be_named():
    assert architecture_of(checkpoint_folder("baseline:lift-msg")) == "msg"
    with pytest.raises(UserError, match="baseline:fly does not exist"):
        checkpoint_folder("baseline:fly")
