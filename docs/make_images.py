"""Renders the images of the documentation: selected states of expert episodes.

Run ``uv run python docs/make_images.py`` from the root of the repository after a change of scene, robot or cameras, and
look at what it wrote to ``docs/images``.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from gymnasium.vector import AutoresetMode
from teamvla_envs.env.vector import TeamVectorEnv

FOLDER = Path(__file__).parent / "images"
PLACE_SEED, HOLD_SEED = 2_000_002, 2_000_003  # of Lift
PASS_SEED = 2_000_000  # of Handoff
STORE_SEED = 2_000_001  # of Drawer
CAMERAS = ("front", "overhead", "wrist_0", "wrist_1")
LARGE = (480, 640)  # height and width of the front view [px]
SMALL, COLUMN, GAP = 96, 160, 4  # [px]
POLICY_SIZE = 64  # [px]
STRIP_EVERY = 8  # control steps between two images of the wrist strip
MOST_STEPS = 300
QUALITY = 85


@dataclass(frozen=True)
class Moment:
    """Stopping point of an episode: the first state in which ``reached(phase, object_height, terminated)`` holds."""

    name: str
    seed: int
    reached: Callable[[str, float, bool], bool]


LIFT = (
    Moment("start", PLACE_SEED, lambda phase, height, done: True),
    Moment("grasp", PLACE_SEED, lambda phase, height, done: phase == "carry"),
    Moment("lift", PLACE_SEED, lambda phase, height, done: phase == "carry" and height > 0.15),
    Moment("place", PLACE_SEED, lambda phase, height, done: phase == "release"),
    Moment("done", PLACE_SEED, lambda phase, height, done: done),
    Moment("hold", HOLD_SEED, lambda phase, height, done: done),
)
HANDOFF = (
    Moment("start", PASS_SEED, lambda phase, height, done: True),
    Moment("transfer", PASS_SEED, lambda phase, height, done: phase == "transfer"),
    Moment("place", PASS_SEED, lambda phase, height, done: phase == "release"),
)
DRAWER = (
    Moment("start", STORE_SEED, lambda phase, height, done: True),
    Moment("carry", STORE_SEED, lambda phase, height, done: phase == "place"),
    Moment("done", STORE_SEED, lambda phase, height, done: done),
)
TRAY = (
    Moment("grasp", PLACE_SEED, lambda phase, height, done: phase == "carry"),
    Moment("place", PLACE_SEED, lambda phase, height, done: phase == "release"),
)
RELAY = (Moment("transfer", PASS_SEED, lambda phase, height, done: phase == "transfer"),)
MIXED = (Moment("lift", PLACE_SEED, lambda phase, height, done: phase == "carry" and height > 0.15),)


def main() -> None:
    """Write all images."""
    FOLDER.mkdir(exist_ok=True)
    with closing(make_env("lift")) as env:
        fronts, thumbnails = stop_and_look(env, LIFT)
        save("lift_sequence.jpg", side_by_side(fronts[:5]))
        save("lift_96px.png", side_by_side(thumbnails))
        save("wrist_64px.png", wrist_strip(env))
    with closing(make_env("handoff")) as env:
        stop_and_look(env, HANDOFF)
    with closing(make_env("drawer")) as env:
        stop_and_look(env, DRAWER)
    with closing(make_env("lift", num_arms=4)) as env:
        stop_and_look(env, TRAY, "tray")
    with closing(make_env("handoff", num_arms=3)) as env:
        stop_and_look(env, RELAY, "relay")
    with closing(make_env("lift", robot=("panda", "xarm7"))) as env:
        stop_and_look(env, MIXED, "mixed")


def make_env(task: str, **kwargs: Any) -> TeamVectorEnv:
    """One world without automatic resets."""
    return TeamVectorEnv(task, autoreset_mode=AutoresetMode.DISABLED, **kwargs)


def stop_and_look(
    env: TeamVectorEnv, moments: Sequence[Moment], prefix: str | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Write a contact sheet of every moment; returns small front views, and columns of all cameras at 96 px."""
    fronts, thumbnails = [], []
    for moment in moments:
        sentence = run_to(env, moment)
        print(f"{env.task_name}, {moment.name}: {sentence!r}")
        front = views(env, CAMERAS[:1], LARGE)[0]
        fronts.append(halved(front))
        thumbnails.append(np.concatenate(list(views(env, CAMERAS, SMALL))))
        save(f"{prefix or env.task_name}_{moment.name}.jpg", contact_sheet(env, front))
    return fronts, thumbnails


def run_to(env: TeamVectorEnv, moment: Moment) -> str:
    """Run the expert until the moment is reached; returns the instruction of the episode."""
    _, info = env.reset(seed=moment.seed)
    done = False
    for _ in range(MOST_STEPS):
        phase, height = env.phases[int(info["phase"][0])], float(env.world.body_pos[0, 0, 2])
        if moment.reached(phase, height, done):
            return env.instructions[0]
        _, _, terminated, _, info = env.step(env.expert_actions())
        done = bool(terminated[0])
    raise RuntimeError(f"{moment.name} was not reached in {MOST_STEPS} steps")


def views(env: TeamVectorEnv, cameras: Sequence[str], size: int | Sequence[int]) -> np.ndarray:
    """Images of world 0, shape ``(cameras, height, width, 3)`` uint8."""
    images: np.ndarray = env.render_cameras(cameras, size)[0]
    return images


def contact_sheet(env: TeamVectorEnv, front: np.ndarray) -> np.ndarray:
    """The front view, and the three others in a column next to it."""
    others = [halved(image) for image in views(env, CAMERAS[1:], 2 * COLUMN)]
    return np.concatenate([front, np.concatenate(others)], axis=1)


def wrist_strip(env: TeamVectorEnv) -> np.ndarray:
    """Both wrist cameras at the image size of policies, one column every few steps of an episode."""
    env.reset(seed=PLACE_SEED)
    columns: list[np.ndarray] = []
    for step in range(MOST_STEPS):
        if step % STRIP_EVERY == 0:
            columns.append(np.concatenate(list(views(env, CAMERAS[2:], POLICY_SIZE))))
        _, _, terminated, _, _ = env.step(env.expert_actions())
        if terminated[0]:
            break
    return side_by_side(columns)


def side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one size in a row, with white gaps between them."""
    gap = np.full((images[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for image in images for part in (gap, image)][1:], axis=1)


def halved(image: np.ndarray) -> np.ndarray:
    """The image at half its size, each pixel the mean of four."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    mean = image.reshape(height, 2, width, 2, 3).astype(np.float64).mean(axis=(1, 3))
    return np.asarray(np.round(mean), np.uint8)


def save(name: str, image: np.ndarray) -> None:
    """Write an image and print its size."""
    path = FOLDER / name
    options: dict[str, Any] = {"quality": QUALITY} if path.suffix == ".jpg" else {}
    iio.imwrite(path, image, **options)
    print(f"  {path.name}: {image.shape[1]} x {image.shape[0]} px, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
