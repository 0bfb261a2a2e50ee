"""Recording of a live run: a demonstration file that ``teamvla replay`` simulates again, and a video.

A push changes the state between two actions, which no action explains. So it ends one demonstration and begins the
next: the file holds ``demo_0`` up to the first push, ``demo_1`` from there on, and each of them replays bit for bit.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.demos import schema
from teamvla_envs.demos.recorder import EpisodeRecorder
from teamvla_envs.demos.writer import FileHeader, pack_episodes, write_episode
from teamvla_envs.provenance import installed_versions

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


class Recorder:
    """Recorder of one world's episode, cut where a push changes the state.

    Args:
        env: Environment with one world, reset.
        policy: Name of the acting policy in the file.
        instruction: Instruction that the policy received.
        judged: Whether the instruction states the episode's goal; recorded in the file.
    """

    def __init__(self, env: "TeamVectorEnv", policy: str, instruction: str, judged: bool = True):
        self._env, self._policy, self._judged = env, policy, judged
        self._labels = int(env.seeds[0]), env.goal_names[0], instruction
        self._segments: list[EpisodeRecorder] = []
        self._success = False
        self.cut()

    def cut(self) -> None:
        """Begin a new demonstration in the present state; one without an action is discarded."""
        self._segments = [segment for segment in self._segments if len(segment)]
        self._segments.append(EpisodeRecorder(*self._labels))
        self._segments[-1].begin(self._env.get_state())

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
        step = {
            schema.ACTIONS: action,
            schema.REWARDS: np.array([reward], np.float32),
            schema.DONES: np.array([done], np.uint8),
        }
        self._segments[-1].add({**before, **step}, self._env.get_state())
        self._success = success

    def observed(self, obs: Any, phase: int) -> dict[str, np.ndarray]:
        """The arrays of a demonstration that are known before an action, with first axis 1."""
        env = self._env
        pixels = obs.get("pixels", {}) if isinstance(obs, dict) else {}
        return {
            **{schema.PIXELS + camera: images for camera, images in pixels.items()},
            schema.AGENT_POS: env.agent_pos(),
            schema.ENVIRONMENT_STATE: env.environment_state(),
            schema.EXPERT_ACTIONS: np.clip(env.expert_actions(), -1.0, 1.0),
            schema.PHASE: np.array([phase], np.int64),
        }

    def write(self, path: Path) -> bool:
        """Write the demonstration file; False, and no file, if there was no action."""
        segments = [segment for segment in self._segments if len(segment)]
        if not segments:
            return False
        collection = {
            "policy": self._policy,
            "source": "demo",
            "pushes": len(segments) - 1,
            "judged": self._judged,
        }
        parts = []
        for index, segment in enumerate(segments):
            parts.append(path.with_suffix(f".{index}.part"))
            write_episode(parts[-1], segment.episode(self._success and index == len(segments) - 1))
        pack_episodes(parts, path, FileHeader.of(self._env, collection, installed_versions()))
        for part in parts:
            part.unlink()
        return True


def write_video(path: Path, moments: Sequence[Sequence[bytes]], fps: float) -> None:
    """Write an mp4 of the shown images.

    Args:
        path: The file.
        moments: JPEGs of each moment, to be shown side by side; all of one size.
        fps: Moments per second.
    """
    from PIL import Image
    from teamvla_envs.demos.encoding import video_writer

    with video_writer(path, fps) as write:
        for images in moments:
            write.send(np.concatenate([np.asarray(Image.open(io.BytesIO(image))) for image in images], axis=1))
