import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from teamvla_envs.errors import UserError
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.policies.checkpoint import (
    CONFIG_FILE,
    CONFIG_HASH,
    FORMAT,
    MODEL_FILE,
    config_hash,
    load_checkpoint,
    read_tensors,
    save_checkpoint,
    write_tensors,
)
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer, describe
from teamvla_learn.train.config import Budget, TrainConfig


@pytest.fixture(params=["vla", "msg", "state"])
def saved(request, demos, tmp_path):
    """An untrained policy, a batch, and the folder it was saved to."""
    train, _, source = load_demos(demos, with_pixels=request.param != "state")
    tokenizer = build_tokenizer((train,)) if request.param != "state" else None
    policy = build_policy(request.param, TrainingData(train, source, tokenizer), seed=0).eval()
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_checkpoint(folder, policy, describe(policy, tokenizer, source, TrainConfig(Budget(steps=1))))
    batch = BatchAssembler(train, tokenizer, 1, 32).batch(torch.arange(8).numpy())
    return policy, batch, folder


def edit(folder: Path, **entries: Any) -> None:
    """Change entries of a configuration, with a fitting hash."""
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text()) | entries
    del config[CONFIG_HASH]
    path.write_text(json.dumps(config | {CONFIG_HASH: config_hash(config)}))


def test_a_loaded_policy_acts_the_same_to_the_last_bit(saved):
    policy, batch, folder = saved
    loaded = load_checkpoint(folder)
    assert loaded.policy.config == policy.config
    for name, tensor in policy.state_dict().items():
        assert torch.equal(loaded.policy.state_dict()[name], tensor)
    with torch.inference_mode():
        assert torch.equal(loaded.policy.predict_chunk(batch.input)[:, 0], policy.predict_chunk(batch.input)[:, 0])


def test_saving_what_was_loaded_gives_the_same_files(saved, tmp_path):
    _, _, folder = saved
    loaded = load_checkpoint(folder)
    again = tmp_path / "again"
    again.mkdir()
    save_checkpoint(again, loaded.policy, loaded.info)
    for name in ("config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"checkpoint .*nowhere is missing"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(saved, name):
    (saved[2] / name).unlink()
    with pytest.raises(UserError, match=f"has no {name}"):
        load_checkpoint(saved[2])


@pytest.mark.parametrize("content", [b"", b"\x80\x04}.", b"{", b"\xff" * 100])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_is_one_line(saved, name, content):
    (saved[2] / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as error:
        load_checkpoint(saved[2])
    assert "\n" not in str(error.value)


def test_weights_of_another_program_are_refused(saved):
    path = saved[2] / "model.safetensors"
    save_file(load_file(path), path)
    with pytest.raises(UserError, match="not written by TeamVLA"):
        load_checkpoint(saved[2])


def test_weights_of_another_shape_are_refused(saved):
    path = saved[2] / "model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file(tensors | {name: torch.zeros(2, 2)}, path, FORMAT)
    with pytest.raises(UserError, match=r"has shape \(2, 2\), expected"):
        load_checkpoint(saved[2])


def test_weights_that_are_not_numbers_are_refused(saved):
    path = saved[2] / "model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file(tensors | {name: torch.full_like(tensors[name], torch.nan)}, path, FORMAT)
    with pytest.raises(UserError, match="finite"):
        load_checkpoint(saved[2])


def test_weights_with_flipped_bits_are_refused(saved):
    path = saved[2] / MODEL_FILE
    content = bytearray(path.read_bytes())
    content[-3000:-1000] = bytes(byte ^ 1 for byte in content[-3000:-1000])
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model.safetensors is damaged: its tensors have checksum \w{8}") as error:
        load_checkpoint(saved[2])
    assert "\n" not in str(error.value)


def test_weights_without_a_checksum_are_read(saved):
    path = saved[2] / MODEL_FILE
    save_file(load_file(path), path, FORMAT)
    load_checkpoint(saved[2])


def test_equal_tensors_are_equal_bytes(tmp_path):
    tensors = {"b": torch.ones(()), "a": torch.zeros(2, 3), "c": torch.zeros(0, 4, dtype=torch.float16)}
    metadata = {"format": "x", **{f"key_{k}": "é" for k in range(9)}}
    for name in ("one", "two"):
        write_tensors(tmp_path / name, tensors, metadata)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = read_tensors(tmp_path / "one", metadata, {name: tensor.shape for name, tensor in tensors.items()})
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in tensors.items())


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("schema_version", 99, "schema_version 99, this program reads 2"),
        ("policy", "Transformer", "policy 'Transformer', allowed are MsgPassingVLA, StatePolicy, SingleBrainVLA"),
        ("model", {"layers": 3}, "unknown name 'layers'"),
        ("normalization", {}, "does not describe a policy"),
        ("env_kwargs", None, "env_kwargs"),
        ("vocabulary", "abc", "vocabulary is 'abc', expected a list"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(saved, entry, value, message):
    edit(saved[2], **{entry: value})
    with pytest.raises(UserError, match=message):
        load_checkpoint(saved[2])


@pytest.mark.parametrize("saved", ["vla", "msg"], indirect=True)
def test_a_vocabulary_of_another_size_is_refused(saved):
    folder = saved[2]
    edit(folder, vocabulary=["<pad>", "<unk>"])
    with pytest.raises(UserError, match="2 words, expected 9"):
        load_checkpoint(folder)


def test_a_gigantic_network_is_refused_before_it_is_built(saved):
    model = json.loads((saved[2] / CONFIG_FILE).read_text())["model"]
    edit(saved[2], model=model | {"hidden_sizes": [10**7, 10**7, 10**7]})
    with pytest.raises(UserError, match="shape"):
        load_checkpoint(saved[2])


def test_a_folder_can_be_moved(saved, tmp_path):
    shutil.move(saved[2], tmp_path / "elsewhere")
    load_checkpoint(tmp_path / "elsewhere")


def test_half_precision_takes_half_the_space_and_loads_as_single(saved, tmp_path):
    folder = saved[2]
    checkpoint = load_checkpoint(folder)
    half = tmp_path / "half"
    half.mkdir()
    save_checkpoint(half, checkpoint.policy, checkpoint.info, half=True)
    sizes = [(path / MODEL_FILE).stat().st_size for path in (folder, half)]
    assert sizes[1] < 0.6 * sizes[0]
    for (name, single), rounded in zip(
        checkpoint.policy.state_dict().items(), load_checkpoint(half).policy.state_dict().values(), strict=True
    ):
        assert rounded.dtype == single.dtype, name
        assert torch.equal(rounded, single.half().float()), name


def test_a_flipped_bit_in_the_configuration_is_refused(saved):
    path = saved[2] / CONFIG_FILE
    text = path.read_text()
    place = text.index('"std"') + 30
    digit = next(index for index in range(place, len(text)) if text[index].isdigit())
    path.write_text(f"{text[:digit]}{int(text[digit]) ^ 1}{text[digit + 1 :]}")
    with pytest.raises(UserError, match=r"config.json differs from its config_hash: it was damaged or changed"):
        load_checkpoint(saved[2])


def test_a_folder_of_the_first_version_stays_readable():
    checkpoint = load_checkpoint(Path(__file__).parents[2] / "golden" / "checkpoint_v2")
    assert checkpoint.info.tasks == ("lift",)


def test_weights_that_are_too_large_for_half_precision_are_not_written(saved, tmp_path):
    checkpoint = load_checkpoint(saved[2])
    next(iter(checkpoint.policy.state_dict().values())).fill_(1e6)
    with pytest.raises(UserError, match=r"weights \S+ are not finite in half precision"):
        save_checkpoint(tmp_path, checkpoint.policy, checkpoint.info, half=True)
    assert not (tmp_path / MODEL_FILE).exists()
