"""Videos of recorded episodes: states to frames, frames to a small H.264 file that any browser plays."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.rollout.recorder import Trajectory

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


@dataclass(frozen=True)
class Clip:
    """Video of one episode.

    Attributes:
        policy: Name of the policy that acted.
        episode: Record of the episode.
        mp4: The video file.
    """

    policy: str
    episode: EpisodeRecord
    mp4: bytes


def make_clip(
    env: "TeamVectorEnv",
    trajectory: Trajectory,
    policy: str,
    episode: EpisodeRecord,
    camera: str = "front",
    size: tuple[int, int] = (240, 360),
    stride: int = 2,
) -> Clip:
    """Render and encode one recorded episode at its own speed.

    Args:
        env: The environment that recorded the trajectory; its current state is overwritten.
        trajectory: T + 1 recorded states.
        policy: Name of the policy that acted.
        episode: Record of the same episode.
        camera: Name of the camera.
        size: Height and width [px], even numbers.
        stride: Control steps per frame.
    """
    frames = render_trajectory(env, trajectory, camera, size, stride)
    return Clip(policy, episode, encode_mp4(frames, fps=1.0 / (stride * env.control_dt)))


def render_trajectory(
    env: "TeamVectorEnv",
    trajectory: Trajectory,
    camera: str = "front",
    size: tuple[int, int] = (240, 360),
    stride: int = 1,
) -> np.ndarray:
    """Render recorded states into frames, shape ``(F, height, width, 3)`` uint8.

    The worlds of the environment show consecutive moments, so N worlds render N moments per call.
    The current state of the environment is overwritten: reset it before using it again.

    Args:
        env: An environment with the same task, arms and scene options as the recorded one.
        trajectory: T + 1 recorded states.
        camera: Name of the camera.
        size: Height and width [px].
        stride: Control steps per frame; the last state is always shown.

    Returns:
        Frames, shape ``(F, H, W, 3)`` uint8, where F is T / stride + 1.
    """
    last = len(trajectory) - 1
    moments = np.append(np.arange(0, last, stride), last)
    frames = []
    for start in range(0, len(moments), env.num_envs):
        shown = moments[start : start + env.num_envs]
        states = np.resize(shown, env.num_envs)
        env.set_state({key: value[states] for key, value in trajectory.states.items()})
        frames.append(env.render_frames(camera=camera, size=size, worlds=range(len(shown))))
    return np.concatenate(frames)


def encode_mp4(frames: np.ndarray, fps: float, quality: int = 27) -> bytes:
    """Encode frames as an MP4 file (H.264, yuv420p, index at the front so that it plays while loading).

    Args:
        frames: Shape ``(T, H, W, 3)`` uint8; height and width must be even.
        fps: Frames per second [Hz].
        quality: Constant rate factor of x264: 18 is visually lossless, 28 is small.

    Raises:
        ValueError: If the frames have another shape or type.
    """
    from teamvla_envs.demos.encoding import video_writer

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames are {frames.dtype} {frames.shape}, expected uint8 (T, H, W, 3)")
    options = ("-preset", "slow", "-movflags", "+faststart")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with video_writer(path, fps, quality, options) as write:
            for frame in frames:
                write.send(frame)
        return path.read_bytes()


def poster(mp4: bytes) -> bytes | None:
    """First frame of a video as a JPEG; None if the video cannot be decoded."""
    import imageio.v3 as iio

    try:
        first = iio.imread(mp4, plugin="FFMPEG", extension=".mp4", index=0)
    except (OSError, RuntimeError, IndexError, ValueError):
        return None
    return iio.imwrite("<bytes>", first, extension=".jpg", quality=80)
