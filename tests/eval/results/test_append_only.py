import errno
import os

import pytest
from teamvla_eval.results.append_only import append_line


def test_lines_follow_one_another(tmp_path):
    for line in ("one", "two"):
        append_line(tmp_path / "x", line)
    assert (tmp_path / "x").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("first", [0, 4])
def test_a_short_write_on_a_full_disk_is_undone_and_names_the_file(first, tmp_path, monkeypatch):
    append_line(tmp_path / "x", "one")
    write, sizes = os.write, iter([first])

    def full(handle, data):
        size = next(sizes, None)
        if size is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[:size])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            append_line(tmp_path / "x", "a longer line")
    assert caught.value.filename == str(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "one\n"


def test_part_of_a_line_does_not_spoil_the_next(tmp_path):
    (tmp_path / "x").write_text("one\nhal")
    append_line(tmp_path / "x", "two")
    assert (tmp_path / "x").read_text() == "one\nhal\ntwo\n"
