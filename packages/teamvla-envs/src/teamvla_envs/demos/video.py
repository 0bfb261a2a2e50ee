"""``teamvla render``: renders recorded states as a video, at any size and from any camera."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from teamvla_envs.cores import usable_cores
from teamvla_envs.demos.encoding import video_writer
from teamvla_envs.demos.reader import Demo, open_demos
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt, deferred_interrupts

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


def render(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
    out: Path = Path("video.mp4"),
    demo: tuple[str, ...] = (),
    cameras: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--camera"])] = ("front",),
    size: int = 480,
    fps: float = 25.0,
) -> None:
    """Render recorded demonstrations into an mp4 video.

    Args:
        file: Demonstration file.
        out: Video to write, an .mp4; one that exists is replaced.
        demo: Names of the demonstrations to show one after another; by default the first.
        cameras: The first camera is shown large, further ones in a column next to it.
        size: Height of the video [pixels].
        fps: Frames per second; 25 is real time.
    """
    from rich.progress import Progress

    from teamvla_envs.console import plain_console
    from teamvla_envs.demos.reader import make_recorded_env

    if not cameras:
        raise UserError("cameras is empty, expected the name of at least one")
    if not 1 <= fps <= 240:
        raise UserError(f"fps is {fps}, expected 1 to 240")
    if out.suffix.lower() != ".mp4":
        raise UserError(f"out is {out}, expected a name that ends in .mp4")
    if out.is_dir():
        raise UserError(f"out is {out}, which is a folder; expected a file")
    with deferred_interrupts(), open_demos(file) as demos:
        chosen = [demos.demo(name) for name in demo or demos.names[:1]]
        total = sum(each.num_samples + 1 for each in chosen)
        with closing(make_recorded_env(demos, _worlds(total), obs_mode="state")) as env:
            env.reset(seed=0)
            images = frames(env, chosen, cameras, size)
            first = next(images)  # before anything is written: it fails for a wrong camera or size
            with video_writer(out, fps) as write, Progress(console=plain_console(stderr=True)) as progress:
                for image in progress.track(chain([first], images), total=total, description="render"):
                    write.send(image)
    print(f"{total} frames, {total / fps:.1f} s in {out}")


def frames(env: "TeamVectorEnv", demos: Sequence[Demo], cameras: Sequence[str], size: int) -> Iterator[np.ndarray]:
    """Yield one image for every state of the demonstrations, (size, W, 3) uint8.

    Args:
        env: The environment that they were recorded in; its worlds show successive steps, in parallel.
        demos: Demonstrations to show, one after another.
        cameras: Names of the cameras; see ``tile``.
        size: Height [pixels].
    """
    side = size if len(cameras) < 2 else max(size // (len(cameras) - 1), 1)
    for demo in demos:
        states = demo.states
        for start in range(0, demo.num_samples + 1, env.num_envs):
            check_interrupt()
            steps = np.minimum(np.arange(start, start + env.num_envs), demo.num_samples)
            env.set_state({key: rows[steps] for key, rows in states.items()})
            shown = range(min(env.num_envs, demo.num_samples + 1 - start))
            views = [
                env.render_frames(camera, size=side if index else size, worlds=shown)
                for index, camera in enumerate(cameras)
            ]
            for world in shown:
                yield tile([images[world] for images in views])


def _worlds(num_frames: int) -> int:
    """Return the number of frames to render at once: each needs a model in memory and a CPU core."""
    return min(usable_cores(), 8, num_frames)


def tile(views: Sequence[np.ndarray]) -> np.ndarray:
    """Put the first view on the left and the others, which are smaller, in a column on the right.

    Args:
        views: (H, H, 3) uint8, and K further ones of (H // K, H // K, 3).

    Returns:
        (H, W, 3) uint8.
    """
    first, *others = views
    if not others:
        return first
    column = np.concatenate(others)
    missing = first.shape[0] - column.shape[0]
    return np.concatenate([first, np.pad(column, ((0, missing), (0, 0), (0, 0)))], axis=1)
