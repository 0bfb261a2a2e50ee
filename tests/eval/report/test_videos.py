import imageio.v3 as iio
import numpy as np
import pytest
from teamvla_eval.report.videos import encode_mp4, make_clip, poster, render_trajectory
from teamvla_eval.rollout.recorder import StateRecorder
from teamvla_eval.rollout.suite import run_suite

from tests.eval.counting_env import CountingPolicy, make_counting_env


@pytest.mark.parametrize("num_envs", [1, 3, 7, 16])
def test_every_recorded_state_becomes_one_frame_in_order(num_envs):
    recorder = StateRecorder()
    run_suite(make_counting_env(2), CountingPolicy(), [6], record=recorder)
    frames = render_trajectory(make_counting_env(num_envs), recorder.trajectory(6), size=(16, 24))
    assert frames.shape == (8, 16, 24, 3)
    assert frames[:, 0, 0, 0].tolist() == list(range(8))


@pytest.mark.parametrize(("stride", "shown"), [(2, [0, 2, 4, 6, 7]), (3, [0, 3, 6, 7]), (20, [0, 7])])
def test_a_stride_leaves_states_out_but_never_the_last(stride, shown):
    recorder = StateRecorder()
    run_suite(make_counting_env(2), CountingPolicy(), [6], record=recorder)
    frames = render_trajectory(make_counting_env(3), recorder.trajectory(6), size=(8, 8), stride=stride)
    assert frames[:, 0, 0, 0].tolist() == shown


def test_a_video_plays_the_frames_at_their_speed(tmp_path):
    frames = np.zeros((12, 64, 96, 3), dtype=np.uint8)
    frames[6:] = 200
    path = tmp_path / "clip.mp4"
    path.write_bytes(encode_mp4(frames, fps=25.0))
    decoded = iio.imread(path, plugin="FFMPEG")
    assert decoded.shape == frames.shape
    assert abs(decoded.astype(int) - frames).max() < 8
    assert iio.immeta(path, plugin="FFMPEG")["fps"] == 25.0


def test_a_clip_carries_its_episode():
    recorder = StateRecorder()
    env = make_counting_env(2)
    records = run_suite(env, CountingPolicy(), [4], record=recorder)
    clip = make_clip(env, recorder.trajectory(4), "expert", records[0], size=(64, 96))
    assert clip.episode.instruction == "count to 5"
    assert clip.mp4[4:8] == b"ftyp"


def test_a_poster_is_the_first_frame():
    frames = np.zeros((12, 64, 96, 3), dtype=np.uint8)
    frames[0, :, 48:] = 200
    image = iio.imread(poster(encode_mp4(frames, fps=25.0)) or b"")
    assert image.shape == (64, 96, 3)
    assert image[:, :40].mean() < 20 < 180 < image[:, 56:].mean()


def test_a_damaged_video_has_no_poster():
    assert poster(b"not really a video") is None


@pytest.mark.parametrize("frames", [np.zeros((4, 8, 8), np.uint8), np.zeros((4, 8, 8, 3), np.float32)])
def test_frames_of_another_kind_are_refused(frames):
    with pytest.raises(ValueError, match=r"expected uint8 \(T, H, W, 3\)"):
        encode_mp4(frames, fps=25.0)
