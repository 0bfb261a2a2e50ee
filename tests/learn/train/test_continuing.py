from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from teamvla_envs.errors import UserError
from teamvla_learn.policies.checkpoint import load_checkpoint

from tests.learn.episodes import write_demos
from tests.learn.train.jobs import train


def test_a_training_goes_on_from_weights_with_other_demonstrations(demos, tmp_path):
    train(demos, tmp_path / "a", steps=3, batch_size=4, openings_first=20)
    (tmp_path / "more").mkdir()
    more = write_demos(tmp_path / "more" / "more.hdf5", 3)
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
        ({"state_parts": (("object_pos", 3), ("other", 3))}, "also learns to tell goal_pos"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(demos, tmp_path, change, message):
    train(demos, tmp_path / "a", steps=1, batch_size=4)
    (tmp_path / "more").mkdir()
    other = write_demos(tmp_path / "more" / "other.hdf5", 2, **change)
    with pytest.raises(UserError, match=message):
        train(other, tmp_path / "b", steps=1, batch_size=1, shards=1, init_from=tmp_path / "a")
    assert not (tmp_path / "b").exists()


def test_another_kind_of_network_is_refused(demos, tmp_path):
    train(demos, tmp_path / "a", policy="state", steps=1)
    with pytest.raises(UserError, match=r"policy is vla, init_from .*a holds a StatePolicy"):
        train(demos, tmp_path / "b", steps=1, init_from=tmp_path / "a")
