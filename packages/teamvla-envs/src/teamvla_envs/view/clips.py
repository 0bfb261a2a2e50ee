"""Clips: episodes as body poses over time, from the expert or from a demonstration file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import Demo
    from teamvla_envs.env.vector import TeamVectorEnv


@dataclass(frozen=True)
class Clip:
    """One episode; its T + 1 moments are the initial state and the state after each control step.

    Attributes:
        title: Its source.
        instruction: The instruction.
        goal: The goal.
        success: Whether it ended in success.
        positions: Positions of all bodies of the compiled model, shape ``(T+1, bodies, 3)`` [m].
        quaternions: Orientations of all bodies, shape ``(T+1, bodies, 4)``, wxyz.
        phases: Name of the phase at every time.
        fields: Model fields of the episode.
        dt: Length of a control step [s].
    """

    title: str
    instruction: str
    goal: str
    success: bool
    positions: np.ndarray
    quaternions: np.ndarray
    phases: tuple[str, ...]
    fields: Mapping[tuple[str, str], np.ndarray]
    dt: float

    def __len__(self) -> int:
        """T + 1."""
        return len(self.positions)


def expert_clip(env: "TeamVectorEnv", seed: int) -> Clip:
    """The expert's episode of a seed.

    Args:
        env: Environment with one world and autoreset disabled.
        seed: Seed of the episode.
    """
    _, info = env.reset(seed=seed)
    poses, phases, ended = [env.body_poses(0)], [info["phase"][0]], False
    while not ended:
        _, _, terminated, truncated, info = env.step(env.expert_actions())
        poses.append(env.body_poses(0))
        phases.append(info["phase"][0])
        ended = bool(terminated[0] or truncated[0])
    return _clip(env, f"expert, seed {seed}", env.instructions[0], bool(info["is_success"][0]), poses, phases)


def demo_clip(env: "TeamVectorEnv", demo: "Demo") -> Clip:
    """A recorded demonstration, shown from its states.

    Args:
        env: The environment that it was recorded in, with one world; see ``make_recorded_env``.
        demo: The demonstration.
    """
    states, poses, phases = demo.states, [], []
    env.reset(seed=0)
    for time in range(demo.num_samples + 1):
        _, info = env.set_state({key: rows[time : time + 1] for key, rows in states.items()})
        poses.append(env.body_poses(0))
        phases.append(info["phase"][0])
    return _clip(env, demo.name, demo.instruction, demo.success, poses, phases)


def _clip(
    env: "TeamVectorEnv", title: str, instruction: str, success: bool, poses: list[Any], phases: list[Any]
) -> Clip:
    fields = {}
    for key, rows in env.get_state().items():
        kind, _, rest = key.partition(".")
        if kind == "field":
            field, _, name = rest.partition(".")
            fields[field, name] = rows[0]
    positions, quaternions = (np.array(part) for part in zip(*poses, strict=True))
    if not np.isfinite(positions).all():
        raise UserError(f"{title} has positions that are no finite numbers")
    names = tuple(env.phases[int(phase)] for phase in phases)
    return Clip(title, instruction, env.goal_names[0], success, positions, quaternions, names, fields, env.control_dt)
