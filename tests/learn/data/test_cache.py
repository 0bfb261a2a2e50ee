import errno
import json
import os
import time

import numpy as np
import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.data import cache as cache_module
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.decode import decode

from tests.learn.episodes import CAMERAS


@pytest.fixture
def folder(demos, tmp_path):
    """A cache with one entry: the demonstrations."""
    load_demos(demos, with_pixels=True, cache=tmp_path / "cache")
    return tmp_path / "cache"


def entry(folder):
    (found,) = (path for path in folder.iterdir() if path.is_dir())
    return found


def same_as_decoded(demos, folder):
    """Whether what the cache gives is what the file holds."""
    train, valid, _ = load_demos(demos, with_pixels=True, paraphrase=True, cache=folder)
    other, other_valid, _ = load_demos(demos, with_pixels=True, paraphrase=True)
    rows = np.arange(len(train))
    assert all(np.array_equal(train.pixels[camera][rows], other.pixels[camera][rows]) for camera in CAMERAS)
    assert np.array_equal(train.expert_actions, other.expert_actions)
    assert np.array_equal(valid.environment_state, other_valid.environment_state)
    assert train.sentences == other.sentences
    return True


def test_the_second_time_nothing_is_decoded(demos, folder, monkeypatch):
    monkeypatch.setattr(cache_module, "decode", None)
    load_demos(demos, with_pixels=True, cache=folder)


def test_what_comes_from_the_cache_equals_the_file(demos, folder):
    assert same_as_decoded(demos, folder)


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def pickle(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("spoil", [flip_a_byte, cut, pickle, lambda path: path.unlink()])
def test_a_damaged_entry_is_decoded_again(demos, folder, spoil):
    spoil(entry(folder) / "0.npy")
    assert cache_module.open_entry(entry(folder)) is None
    assert same_as_decoded(demos, folder)
    assert cache_module.open_entry(entry(folder)) is not None


@pytest.mark.parametrize("change", [{"format": "other"}, {"version": 0}, {"key": "x"}, {"arrays": 3}, {"told": []}])
def test_a_foreign_entry_is_decoded_again(demos, folder, change):
    path = entry(folder) / "entry.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert cache_module.open_entry(entry(folder)) is None
    assert same_as_decoded(demos, folder)


def test_what_another_program_wrote_meanwhile_stays(demos, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "cache"
    written = []

    def overtaken(*arguments):
        monkeypatch.setattr(cache_module, "decode", decode)
        load_demos(demos, with_pixels=True, cache=folder)
        (header,) = [path for path in folder.glob("*/entry.json") if not path.parent.name.startswith(".")]
        written.append(header.stat().st_ino)
        return decode(*arguments)

    monkeypatch.setattr(cache_module, "decode", overtaken)
    monkeypatch.setattr("os.getpid", iter((1, 2)).__next__)
    load_demos(demos, with_pixels=True, cache=folder)
    assert written == [(entry(folder) / "entry.json").stat().st_ino]
    assert not caplog.records


def test_other_demonstrations_are_another_entry(folder, make_demos):
    load_demos(make_demos(episodes=4), with_pixels=True, cache=folder)
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2


def test_demonstrations_that_are_not_what_their_hash_says_do_not_come_in(demos, tmp_path):
    import h5py

    with h5py.File(demos, "r+") as file:
        file["data/demo_0/obs/pixels/front"][0] = 0
    with pytest.raises(UserError, match=r"demos.hdf5: demo_0 does not match its content hash"):
        load_demos(demos, with_pixels=True, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_that_cannot_be_written_costs_memory_only(demos, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    train, _, _ = load_demos(demos, with_pixels=True, cache=tmp_path / "file")
    assert len(train)
    assert "kept in memory" in caplog.text


def test_space_is_taken_before_images_are_decoded_into_it(demos, tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert same_as_decoded(demos, tmp_path / "cache")
    assert "demos.hdf5 is kept in memory: the cache" in caplog.text
    assert "No space left on device" in caplog.text
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_what_a_killed_process_left_is_removed_after_a_day(folder, make_demos):
    for name, hours in ((".old.1", 25), (".new.2", 1)):
        (folder / name).mkdir()
        long_ago = time.time() - hours * 3600
        os.utime(folder / name, (long_ago, long_ago))
    load_demos(make_demos(episodes=4), with_pixels=True, cache=folder)
    assert not (folder / ".old.1").exists()
    assert (folder / ".new.2").exists()


def test_what_nobody_opened_for_long_is_removed(folder, make_demos, monkeypatch):
    old = entry(folder)
    monkeypatch.setattr(cache_module, "UNUSED_DAYS", -1.0)
    load_demos(make_demos(episodes=4), with_pixels=True, cache=folder)
    assert not old.exists()
