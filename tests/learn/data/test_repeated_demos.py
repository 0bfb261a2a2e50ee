"""A demonstration is learned from once, and never both trained on and validated on."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.data import cache
from teamvla_learn.data.dataset import load_demos

from tests.envs.demos.sealing import seal
from tests.learn.episodes import write_demos


def write(folder: Path, name: str, episodes: int, first: int = 0) -> Path:
    (folder / name).mkdir()
    return write_demos(folder / name / f"{name}.hdf5", episodes, first=first)


def test_what_is_in_two_files_is_learned_from_once_with_a_warning(tmp_path, caplog):
    three, six = write(tmp_path, "three", 3), write(tmp_path, "six", 6)
    _, _, source = load_demos((three, six), with_pixels=True)
    assert source.demos == 6
    assert "six.hdf5: left out 3 demonstrations, first demo_0, which is demo_0 of" in caplog.text
    hashes = [value for file in source.files for value in (*file.train, *file.valid)]
    assert len(set(hashes)) == len(hashes)


def test_a_file_of_which_all_was_read_before_is_left_out(tmp_path, caplog):
    six, three = write(tmp_path, "six", 6), write(tmp_path, "three", 3)
    _, _, source = load_demos((six, three), with_pixels=True)
    assert [file.path for file in source.files] == [six]
    assert "three.hdf5 is left out" in caplog.text


def test_a_copy_inside_a_file_is_not_validated_on(tmp_path, caplog):
    path = write(tmp_path, "demos", 4)
    with h5py.File(path, "r+") as file:
        valid, train = (file[f"mask/{split}"][0].decode() for split in ("valid", "train"))
        del file[f"data/{valid}"]
        file.copy(f"data/{train}", f"data/{valid}")
        seal(file)
    _, valid_samples, source = load_demos(path, with_pixels=True)
    assert (source.demos, len(valid_samples)) == (3, 0)
    assert f"left out 1 demonstrations, first {valid}, which is {train} of" in caplog.text


def test_a_file_of_which_a_part_was_read_is_not_taken_for_checked(tmp_path, monkeypatch):
    three, six = write(tmp_path, "three", 3), write(tmp_path, "six", 6)
    load_demos((three, six), with_pixels=False, cache=tmp_path / "cache")
    names: list[str] = []
    monkeypatch.setattr(cache, "check_content", lambda demo: names.append(demo.name))
    load_demos(six, with_pixels=False, cache=tmp_path / "cache")
    assert len(names) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robot": "pandas"}, "robot is 'pandas', expected one of"),
        ({"action_mode": "joint_deltas"}, "action_mode: got 'joint_deltas', allowed are"),
        ({"looks": 3}, "looks: got 3, allowed are"),
        ({"split": "test"}, "split"),
        ({"randomization": {"poses": "a lot"}}, "env_kwargs make no environment"),
        ({"sound_size": 3}, "env_kwargs has the unknown argument 'sound_size'"),
    ],
)
def test_arguments_that_make_no_environment_are_refused(demos, changes, message):
    with h5py.File(demos, "r+") as file:
        args = json.loads(file["data"].attrs["env_args"])
        args["env_kwargs"] |= changes
        file["data"].attrs["env_args"] = json.dumps(args)
        seal(file)
    with pytest.raises(UserError, match=message):
        load_demos(demos, with_pixels=True)


def test_a_demonstration_is_listed_once_in_the_masks(demos):
    with h5py.File(demos, "r+") as file:
        train = file["mask/train"][()]
        del file["mask/valid"]
        file["mask/valid"] = np.array([train[0]])
        seal(file)
    with pytest.raises(UserError, match="mask/valid names demo_0, which mask/train names too"):
        load_demos(demos, with_pixels=True)


def test_a_demonstration_is_listed_once_in_a_mask(demos):
    with h5py.File(demos, "r+") as file:
        train = file["mask/train"][()]
        train[1] = train[0]
        file["mask/train"][()] = train
        seal(file)
    with pytest.raises(UserError, match="mask/train names demo_0, which mask/train names too"):
        load_demos(demos, with_pixels=True)


@pytest.mark.parametrize("name", ["env_args", "action_parts", "mask"])
def test_nothing_is_learned_from_a_file_whose_header_was_changed(demos, name):
    with h5py.File(demos, "r+") as file:
        if name == "mask":
            train, valid = file["mask/train"], file["mask/valid"]
            train[0], valid[0] = valid[0], train[0]
        else:
            text = file["data"].attrs[name]
            letter = max(index for index, character in enumerate(text) if character.isalnum())
            file["data"].attrs[name] = f"{text[:letter]}{chr(ord(text[letter]) ^ 2)}{text[letter + 1 :]}"
    with pytest.raises(UserError, match="the header differs from its header_hash"):
        load_demos(demos, with_pixels=True)
