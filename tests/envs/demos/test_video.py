from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from teamvla_envs.demos.encoding import video_writer
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.video import render, tile
from teamvla_envs.errors import UserError

from tests.envs.full_disk import largest_file


def test_a_video_has_one_frame_for_every_state_of_each_demo(demo_file: Path, tmp_path: Path):
    with open_demos(demo_file) as file:
        states = sum(file.demo(name).num_samples + 1 for name in ("demo_0", "demo_2"))
    out = tmp_path / "new" / "video.mp4"
    render(demo_file, out, demo=("demo_0", "demo_2"), size=96)
    shown = iio.imread(out)
    assert shown.shape == (states, 96, 96, 3)
    assert list(out.parent.iterdir()) == [out]
    properties = iio.immeta(out, plugin="FFMPEG")
    assert (properties["codec"], properties["fps"]) == ("h264", 25.0)
    assert properties["pix_fmt"].startswith("yuv420p")


def test_further_cameras_stand_in_a_column_beside_the_first(demo_file: Path, tmp_path: Path):
    render(demo_file, tmp_path / "video.mp4", cameras=("front", "wrist_0", "wrist_1"), size=96)
    frame = iio.imread(tmp_path / "video.mp4")[0]
    assert frame.shape == (96, 96 + 48, 3)
    assert abs(int(frame[10, 60, 0]) - 40) < 12
    assert abs(int(frame[10, 130, 0]) - 200) < 12


def test_views_that_do_not_fill_the_column_are_padded():
    views = [np.ones((100, 100, 3), np.uint8), *[np.ones((33, 33, 3), np.uint8)] * 3]
    assert tile(views).shape == (100, 133, 3)
    assert not tile(views)[99, 100:].any()


def test_odd_sizes_are_padded_to_even_ones(tmp_path: Path):
    with video_writer(tmp_path / "video.mp4", fps=10) as write:
        for level in (0, 100, 200):
            write.send(np.full((65, 51, 3), level, np.uint8))
    assert iio.imread(tmp_path / "video.mp4").shape == (3, 66, 52, 3)


def test_a_rendering_that_fails_leaves_no_file(tmp_path: Path):
    def write_half() -> None:
        with video_writer(tmp_path / "video.mp4", fps=10) as write:
            write.send(np.zeros((64, 64, 3), np.uint8))
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_for_ffmpeg_is_an_error_and_leaves_no_file(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 255, (40, 96, 96, 3), dtype=np.uint8)

    def write() -> None:
        with video_writer(tmp_path / "video.mp4", fps=10) as video:
            for image in images:
                video.send(image)

    with largest_file(50_000), pytest.raises(OSError, match="File too large") as caught:
        write()
    assert caught.value.filename == str(tmp_path / "video.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_says_why(tmp_path: Path):
    def write() -> None:
        with video_writer(tmp_path / "video.mp4", fps=10, options=("-preset", "unheard-of")) as video:
            video.send(np.zeros((64, 64, 3), np.uint8))

    with pytest.raises(UserError, match="ffmpeg failed with code"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cameras": ()}, "cameras is empty"),
        ({"fps": 0}, "fps is 0, expected 1 to 240"),
        ({"out": Path("video.gif")}, r"expected a name that ends in \.mp4"),
        ({"demo": ("demo_7",)}, "has no 'demo_7'"),
    ],
)
def test_bad_arguments_are_named(demo_file: Path, arguments: dict, message: str):
    with pytest.raises(UserError, match=message):
        render(demo_file, **arguments)
