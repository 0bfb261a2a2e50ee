"""Recording the episode of one world as a demonstration, whoever acts: expert, policy or person.

For example::

    recorder = EpisodeRecorder(seed, info["goal"][0], info["task_description"][0])
    recorder.begin(env.get_state())
    ...
    before = observed_arrays(obs) | {schema.ACTIONS: action, schema.EXPERT_ACTIONS: label, schema.PHASE: phase}
    obs, reward, terminated, truncated, info = env.step(action)
    recorder.add(before | {schema.REWARDS: reward, schema.DONES: done}, env.get_state())
    ...
    write_episode(path, recorder.episode(success=True))
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from teamvla_envs.demos import schema
from teamvla_envs.demos.writer import Episode


class EpisodeRecorder:
    """Recorder of one world's episode, or of a part of it.

    Args:
        seed: Seed of the reset that began the episode.
        goal: Its goal.
        instruction: Its instruction.
        world: Index of the world, whose rows of the given arrays are kept.
    """

    def __init__(self, seed: int, goal: str, instruction: str, world: int = 0):
        self._seed, self._goal, self._instruction, self._world = seed, goal, instruction, world
        self._rows: dict[str, list[np.ndarray]] = {}

    def __len__(self) -> int:
        """Number of recorded actions."""
        return len(self._rows.get(schema.ACTIONS, ()))

    def begin(self, state: Mapping[str, np.ndarray]) -> None:
        """Begin the recording in a state of the environment: name to an array with first axis N."""
        self._rows = {}
        self._append({schema.STATES + key: values for key, values in state.items()})

    def add(self, sample: Mapping[str, np.ndarray], next_state: Mapping[str, np.ndarray]) -> None:
        """Record one step.

        Args:
            sample: Arrays with first axis N by their paths in the file, such as ``actions`` (N, A*D).
            next_state: State of the environment after the step: name to an array with first axis N.
        """
        self._append(sample)
        self._append({schema.STATES + key: values for key, values in next_state.items()})

    def episode(self, success: bool, length: int | None = None) -> Episode:
        """Return the recorded episode.

        Args:
            success: Whether it ended in success.
            length: Number of its first actions to keep; None for all.
        """
        length = len(self) if length is None else length
        arrays = {
            path: np.stack(rows[: length + 1] if path.startswith(schema.STATES) else rows[:length])
            for path, rows in self._rows.items()
        }
        return Episode(self._seed, self._goal, self._instruction, success, arrays)

    def _append(self, arrays: Mapping[str, np.ndarray]) -> None:
        for path, values in arrays.items():
            self._rows.setdefault(path, []).append(np.array(values[self._world]))


def observed_arrays(obs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of a ``vision+state`` observation, first axis N, by their paths in a demonstration file."""
    pixels = {schema.PIXELS + camera: images for camera, images in obs.get("pixels", {}).items()}
    return pixels | {schema.AGENT_POS: obs["agent_pos"], schema.ENVIRONMENT_STATE: obs["environment_state"]}
