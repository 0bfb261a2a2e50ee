import errno
import os
from pathlib import Path

import pytest
from teamvla_envs.cli import one_line
from teamvla_envs.files import check_space, is_no_space, replacing, reserve, write_bytes, write_text

from tests.envs.full_disk import largest_file


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path):
    write_text(tmp_path / "a.txt", "old")
    write_text(tmp_path / "a.txt", "new ☺")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new ☺"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link_and_the_file_behind_it_is_replaced(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    there, link = tmp_path / "elsewhere" / "b.bin", tmp_path / "a.bin"
    link.symlink_to(there)
    for content in (b"made", b"replaced"):
        write_bytes(link, content)
        assert link.is_symlink()
        assert there.read_bytes() == content
    assert os.listdir(there.parent) == ["b.bin"]


def test_a_full_disk_is_one_line_with_the_name_of_the_file(tmp_path: Path):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    with largest_file(1000), pytest.raises(OSError, match="File too large") as caught:
        write_bytes(path, bytes(5000))
    assert is_no_space(caught.value)
    assert one_line(caught.value) == f"no space left (file too large): {path}"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_place_that_cannot_be_written_is_named_as_the_user_did(tmp_path: Path):
    with pytest.raises(OSError, match="No such file") as caught:
        write_bytes(tmp_path / "no" / "a.bin", b"")
    assert caught.value.filename == str(tmp_path / "no" / "a.bin")


def test_reserving_takes_the_space_of_a_file_at_once(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.touch()
    os.truncate(path, 1 << 20)
    assert path.stat().st_blocks * 512 < 1 << 20
    reserve(path)
    assert path.stat().st_blocks * 512 >= 1 << 20
    assert path.stat().st_size == 1 << 20


def test_without_posix_fallocate_zeros_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    path = tmp_path / "a.bin"
    path.write_bytes(b"head")
    os.truncate(path, 3 << 20)
    reserve(path)
    assert path.stat().st_blocks * 512 >= 3 << 20
    assert path.read_bytes() == b"head" + bytes((3 << 20) - 4)


def test_a_file_that_could_not_grow_may_lack_its_end(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    check_space(path)
    with largest_file(2000), pytest.raises(OSError, match="File too large"):
        check_space(path)
    assert path.stat().st_size == 1000
