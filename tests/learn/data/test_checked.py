import os
import shutil

import h5py
import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.data import cache as cache_module
from teamvla_learn.data.dataset import load_demos


def relabel(path, copy):
    """A copy of a file in which one expert action is another, with the content hash of before."""
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        file["data/demo_1/expert_actions"][0] *= -1
    return copy


@pytest.mark.parametrize("with_pixels", [True, False])
@pytest.mark.parametrize("cached", [True, False])
def test_labels_that_were_changed_are_found(demos, tmp_path, with_pixels, cached):
    cache = tmp_path / "cache" if cached else None
    load_demos(demos, with_pixels, cache=cache)
    changed = relabel(demos, tmp_path / "changed.hdf5")
    with pytest.raises(UserError, match="demo_1 does not match its content hash"):
        load_demos(changed, with_pixels, cache=cache)


@pytest.mark.parametrize("with_pixels", [True, False])
def test_a_file_is_read_in_full_once(demos, tmp_path, monkeypatch, with_pixels):
    load_demos(demos, with_pixels, cache=tmp_path / "cache")
    checked: list[str] = []
    monkeypatch.setattr(cache_module, "check_content", lambda demo: checked.append(demo.name))
    load_demos(demos, with_pixels, cache=tmp_path / "cache")
    assert not checked
    os.utime(demos)
    load_demos(demos, with_pixels, cache=tmp_path / "cache")
    assert checked


def test_a_cache_that_cannot_be_written_to_is_done_without(demos, tmp_path):
    (tmp_path / "file").write_text("")
    load_demos(demos, False, cache=tmp_path / "file" / "cache")
