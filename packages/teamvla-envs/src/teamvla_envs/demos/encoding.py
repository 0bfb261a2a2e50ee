"""H.264 videos: raw images are piped to ffmpeg, whose exit code decides whether the video is kept."""

import errno
import os
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from teamvla_envs.errors import UserError
from teamvla_envs.files import NO_SPACE, replacing

QUALITY: Final = 15  # constant rate factor of x264: 18 is visually lossless, 28 is small


class VideoWriter:
    """Encodes images as one H.264 video.

    Args:
        path: The file.
        fps: Frames per second.
        options: Options of ffmpeg for the output.
    """

    def __init__(self, path: Path, fps: float, options: Sequence[str]) -> None:
        self._path, self._options = path, tuple(options)
        self._rate = str(Fraction(fps).limit_denominator())
        self._size = (0, 0)
        self._ffmpeg: subprocess.Popen[bytes] | None = None

    def send(self, image: np.ndarray) -> None:
        """Add an image, (H, W, 3) uint8, all of one shape; odd lengths are padded, since the codec needs even ones."""
        if self._ffmpeg is None:
            height, width = image.shape[:2]
            self._size = height + height % 2, width + width % 2
            self._ffmpeg = self._start()
        assert self._ffmpeg.stdin is not None
        missing = [(0, length - present) for length, present in zip(self._size, image.shape[:2], strict=True)]
        try:
            self._ffmpeg.stdin.write(np.pad(image, (*missing, (0, 0)), mode="edge").tobytes())
        except BrokenPipeError:  # it ended early, and has written why
            self.finish()
            raise

    def finish(self) -> None:
        """Complete the file.

        Raises:
            OSError: When ffmpeg found no space left.
            UserError: When it failed for another reason.
        """
        if self._ffmpeg is None:
            raise UserError(f"{self._path} would be a video without images")
        _, messages = self._ffmpeg.communicate()
        if self._ffmpeg.returncode == 0:
            return
        lines = messages.decode(errors="replace").strip().splitlines()
        for number in NO_SPACE:
            too_large = number == errno.EFBIG and self._ffmpeg.returncode == -signal.SIGXFSZ
            if too_large or any(os.strerror(number) in line for line in lines):
                raise OSError(number, os.strerror(number), str(self._path))
        reason = lines[-1] if lines else "without a message"
        raise UserError(f"ffmpeg failed with code {self._ffmpeg.returncode}: {reason}")

    def abandon(self) -> None:
        """End ffmpeg without completing the file."""
        if self._ffmpeg is not None:
            self._ffmpeg.kill()
            self._ffmpeg.communicate()

    def _start(self) -> "subprocess.Popen[bytes]":
        from imageio_ffmpeg import get_ffmpeg_exe

        height, width = self._size
        images = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", self._rate, "-i", "-"]
        output = ["-an", "-vcodec", "libx264", "-pix_fmt", "yuv420p", *self._options, str(self._path.absolute())]
        # In a process group of its own, so that Ctrl-C does not reach it.
        return subprocess.Popen(
            [get_ffmpeg_exe(), "-y", "-v", "error", *images, *output],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )


@contextmanager
def video_writer(path: Path, fps: float, quality: int = QUALITY, options: Sequence[str] = ()) -> Generator[VideoWriter]:
    """Open an H.264 video for writing, which appears under its name only when it is complete.

    Args:
        path: The .mp4 file; one that exists is replaced.
        fps: Frames per second.
        quality: Constant rate factor of x264.
        options: Further options of ffmpeg for the output.

    Raises:
        OSError: When the disk is full.
        UserError: When ffmpeg fails for another reason; the message is its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        writer = VideoWriter(temporary, fps, ("-crf", str(quality), *options))
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.finish()
