from pathlib import Path

import pytest
from teamvla_envs.demos.hdf5_heaps import check_heaps
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.structure import DemoFileError

DEMOS = Path(__file__).parents[2] / "golden" / "demos_v1.hdf5"
HEAP, SIZE, FREE = 2048, 4096, 3800  # of the file's attributes; nothing follows the object at FREE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", range(HEAP, HEAP + SIZE, 512))
def test_a_zeroed_block_among_texts_is_one_line(tmp_path: Path, first: int):
    content = bytearray(DEMOS.read_bytes())
    content[first : first + 512] = bytes(512)
    path = tmp_path / "damaged.hdf5"
    path.write_bytes(content)
    if first >= FREE:
        check_heaps(path)
        return
    with pytest.raises(DemoFileError) as caught, open_demos(path):
        pass
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("at", "value"), [(2056, 1 << 40), (2072, 1 << 40), (2072, 3), (3792, 2352)])
def test_sizes_that_do_not_lead_to_the_end_are_refused(tmp_path: Path, at: int, value: int):
    content = bytearray(DEMOS.read_bytes())
    content[at : at + 8] = value.to_bytes(8, "little")
    path = tmp_path / "damaged.hdf5"
    path.write_bytes(content)
    with pytest.raises(DemoFileError, match="the text at byte 2048 is damaged"):
        check_heaps(path)


def test_an_empty_file_has_no_heaps(tmp_path: Path):
    (tmp_path / "empty").touch()
    check_heaps(tmp_path / "empty")
