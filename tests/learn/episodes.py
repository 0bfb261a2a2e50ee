"""Small demonstrations, written with the real writer: the arms move to the side of a colored square."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from teamvla_envs.demos.writer import Episode, FileHeader, pack_episodes, write_episode

SIZE = 32  # [px]
STEPS = 6
COLORS = {"green": (20, 160, 40), "pink": (240, 100, 160)}
CAMERAS = ("front", "wrist_0", "wrist_1")
STATE_PARTS = (("object_pos", 3), ("goal_pos", 3))
ENV_KWARGS = {
    "task": "lift",
    "num_arms": 2,
    "robot": "panda",
    "action_mode": "joint_delta",
    "cameras": list(CAMERAS),
    "image_size": SIZE,
}


def write_demos(
    path: Path,
    episodes: int,
    with_pixels: bool = True,
    with_state: bool = True,
    task: str = "lift",
    state_parts: Sequence[tuple[str, int]] = STATE_PARTS,
    cameras: tuple[str, ...] = CAMERAS,
    size: int = SIZE,
    env_kwargs: Mapping[str, Any] | None = None,
    first: int = 0,
) -> Path:
    """Write a demonstration file with consecutive seeds and return its path."""
    parts = []
    for seed in range(first, first + episodes):
        parts.append(path.with_name(f"episode_{seed}.hdf5"))
        write_episode(parts[-1], make_episode(seed, with_pixels, with_state, cameras, size))
    kwargs = ENV_KWARGS | {"task": task, "cameras": list(cameras), "image_size": size} | dict(env_kwargs or {})
    header = FileHeader(
        env_args={"env_name": "TeamVLA/Lift-v0", "type": "teamvla", "env_version": "0", "env_kwargs": kwargs},
        versions={},
        collection={},
        action_parts=[("joint_delta", 7), ("gripper", 1)],
        agent_pos_parts=[("joint_pos", 7), ("tool_pos", 3)],
        environment_state_parts=list(state_parts),
    )
    pack_episodes(parts, path, header)
    return path


def make_episode(
    seed: int,
    with_pixels: bool = True,
    with_state: bool = True,
    cameras: tuple[str, ...] = CAMERAS,
    size: int = SIZE,
) -> Episode:
    """One episode: the arms move to the side of the image with a square of the named color."""
    rng = np.random.default_rng(seed)
    side, color = rng.integers(2), list(COLORS)[seed % 2]
    goal = np.array([2.0 * side - 1.0, 0.0, 0.1])
    object_pos = rng.normal(size=(STEPS, 3))
    images = np.full((STEPS, size, size, 3), 100, np.uint8)
    images[:, 12:20, 4 + 18 * side : 10 + 18 * side] = COLORS[color]
    actions = np.zeros((STEPS, 16), np.float32)
    actions[:, [0, 8]] = 0.5 * goal[0]
    actions[:, [1, 9]] = 0.1 * rng.normal(size=(STEPS, 2)).clip(-3, 3)
    actions[:, [7, 15]] = np.where(object_pos[:, :2] > 0, 1.0, -1.0)
    state = np.concatenate([object_pos, np.broadcast_to(goal, (STEPS, 3))], axis=1).astype(np.float32)
    arrays = {
        "obs/agent_pos": rng.normal(size=(STEPS, 20)).astype(np.float32),
        "actions": actions,
        "expert_actions": actions,
        "rewards": np.zeros(STEPS, np.float32),
        "dones": np.eye(STEPS, dtype=np.uint8)[-1],
        "phase": np.zeros(STEPS, np.int64),
        "states/step": np.arange(STEPS + 1),
    }
    if with_state:
        arrays["obs/environment_state"] = state
    if with_pixels:
        arrays |= {f"obs/pixels/{camera}": images for camera in cameras}
    instruction = f"Put the bar on the {color} stand."
    return Episode(seed, f"stand_{side}", instruction, success=True, arrays=arrays)
