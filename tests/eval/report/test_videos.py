import imageio.v3 as iio
import numpy as np
import pytest
from teamvla_envs.policies import make_policy
from teamvla_eval.report.videos import encode_mp4, make_clip, poster, render_trajectory
from teamvla_eval.rollout.recorder import StateRecorder
from teamvla_eval.rollout.suite import run_suite


@pytest.fixture
def trajectory(make_lift):
    """The states of an episode of seven control steps in which the arms move."""
    recorder = StateRecorder()
    env = make_lift(1, autoreset_mode="Disabled", max_episode_steps=7)
    run_suite(env, make_policy("random"), [6], record=recorder)
    return recorder.trajectory(6)


@pytest.mark.parametrize(("num_envs", "stride", "shown"), [(1, 1, range(8)), (3, 2, [0, 2, 4, 6, 7]), (2, 20, [0, 7])])
def test_recorded_states_become_frames_in_order_and_the_last_is_always_shown(
    num_envs, stride, shown, trajectory, make_lift
):
    frames = render_trajectory(make_lift(num_envs), trajectory, size=(16, 24), stride=stride)
    assert frames.shape == (len(shown), 16, 24, 3)
    env = make_lift(1)
    for frame, moment in zip(frames, shown, strict=True):
        env.set_state({key: value[[moment]] for key, value in trajectory.states.items()})
        assert (frame == env.render_frames(camera="front", size=(16, 24))[0]).all()


def test_a_video_plays_the_frames_at_their_speed(tmp_path):
    frames = np.zeros((12, 64, 96, 3), dtype=np.uint8)
    frames[6:] = 200
    path = tmp_path / "clip.mp4"
    path.write_bytes(encode_mp4(frames, fps=25.0))
    decoded = iio.imread(path, plugin="FFMPEG")
    assert decoded.shape == frames.shape
    assert abs(decoded.astype(int) - frames).max() < 8
    assert iio.immeta(path, plugin="FFMPEG")["fps"] == 25.0


def test_a_clip_carries_its_episode(make_lift):
    recorder = StateRecorder()
    env = make_lift(2, autoreset_mode="Disabled", max_episode_steps=4)
    records = run_suite(env, make_policy("zero"), [4], record=recorder)
    clip = make_clip(env, recorder.trajectory(4), "zero", records[0], size=(64, 96))
    assert clip.episode is records[0]
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
