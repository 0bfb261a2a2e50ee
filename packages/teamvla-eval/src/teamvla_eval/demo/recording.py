"""What a run did, as files: a demonstration file that ``teamvla replay`` simulates again, and a video.

A push changes the state between two actions, which no action explains. So it ends one demonstration and begins the
next: the file holds ``demo_0`` up to the first push, ``demo_1`` from there on, and each of them replays bit for bit.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.provenance import installed_versions

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv

Rows = dict[str, list[np.ndarray]]


class Recorder:
    """Keeps one world's episode.

    Args:
        env: Environment with one world, reset.
        policy: What the file calls who acted.
        instruction: What the policy was told.
        judged: Whether the instruction tells the episode's goal; the file notes it.
    """

    def __init__(self, env: "TeamVectorEnv", policy: str, instruction: str, judged: bool = True):
        self._env, self._policy, self._instruction, self._judged = env, policy, instruction, judged
        self._seed, self._goal = int(env.seeds[0]), env.goal_names[0]
        self._segments: list[Rows] = []
        self._success = False
        self.cut()

    def cut(self) -> None:
        """Begin a new demonstration in the present state; one without an action is given up."""
        self._segments = [rows for rows in self._segments if rows.get("actions")]
        self._segments.append({})
        self._append(self._state())

    def add(
        self, before: Mapping[str, np.ndarray], action: np.ndarray, reward: float, done: bool, success: bool
    ) -> None:
        """Append the step just made.

        Args:
            before: What :meth:`observed` returned before it.
            action: Executed action, ``(1, A * D)``.
            reward: Its reward.
            done: Whether it ended the episode.
            success: Whether it ended in success.
        """
        from teamvla_envs.demos import schema

        self._append(before)
        sample = {schema.ACTIONS: action[0], schema.REWARDS: np.float32(reward), schema.DONES: np.uint8(done)}
        self._append({key: np.asarray(value) for key, value in sample.items()} | self._state())
        self._success = success

    def observed(self, obs: Any, phase: int) -> dict[str, np.ndarray]:
        """The parts of a demonstration that are known before an action."""
        from teamvla_envs.demos import schema

        env = self._env
        pixels = obs.get("pixels", {}) if isinstance(obs, dict) else {}
        return {
            **{schema.PIXELS + camera: images[0] for camera, images in pixels.items()},
            schema.AGENT_POS: env.agent_pos()[0],
            schema.ENVIRONMENT_STATE: env.environment_state()[0],
            schema.EXPERT_ACTIONS: np.clip(env.expert_actions(), -1.0, 1.0)[0],
            schema.PHASE: np.asarray(phase, np.int64),
        }

    def write(self, path: Path) -> bool:
        """Write the demonstration file; False, and no file, if there was no action."""
        from teamvla_envs.demos import schema
        from teamvla_envs.demos.writer import Episode, FileHeader, pack_episodes, write_episode
        from teamvla_envs.registration import environment_id

        env, versions = self._env, installed_versions()
        segments = [rows for rows in self._segments if rows.get(schema.ACTIONS)]
        if not segments:
            return False
        header = FileHeader(
            env_args={
                "env_name": environment_id(env.task_name),
                "type": schema.ENV_TYPE,
                "env_version": versions["teamvla-envs"],
                "env_kwargs": env.env_kwargs,
            },
            versions=versions,
            collection={
                "policy": self._policy,
                "source": "demo",
                "pushes": len(segments) - 1,
                "judged": self._judged,
            },
            action_parts=env.action_parts,
            agent_pos_parts=env.agent_pos_parts,
            environment_state_parts=env.environment_state_parts,
        )
        parts = []
        for index, rows in enumerate(segments):
            arrays = {key: np.stack(values) for key, values in rows.items()}
            success = self._success and index == len(segments) - 1
            parts.append(path.with_suffix(f".{index}.part"))
            write_episode(parts[-1], Episode(self._seed, self._goal, self._instruction, success, arrays))
        pack_episodes(parts, path, header)
        for part in parts:
            part.unlink()
        return True

    def _state(self) -> dict[str, np.ndarray]:
        from teamvla_envs.demos import schema

        return {schema.STATES + key: rows[0] for key, rows in self._env.get_state().items()}

    def _append(self, arrays: Mapping[str, np.ndarray]) -> None:
        for path, array in arrays.items():
            self._segments[-1].setdefault(path, []).append(np.array(array))


def write_video(path: Path, moments: Sequence[Sequence[bytes]], fps: float) -> None:
    """Write an mp4 of what was shown.

    Args:
        path: The file.
        moments: JPEGs that were shown side by side, moment by moment; all of one size.
        fps: Moments per second.
    """
    from PIL import Image
    from teamvla_envs.demos.encoding import video_writer

    with video_writer(path, fps) as write:
        for pictures in moments:
            write.send(np.concatenate([np.asarray(Image.open(io.BytesIO(picture))) for picture in pictures], axis=1))
