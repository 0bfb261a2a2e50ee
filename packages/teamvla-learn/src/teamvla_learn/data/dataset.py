"""Demonstrations in memory: what was seen at t and the expert's actions from t on, for every t."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.paraphrases import Paraphraser

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import Demo, DemoFile

OnDemo = Callable[[int], None]  # gets the number of demonstrations in all


@dataclass(frozen=True)
class DemoDataset:
    """M samples of some demonstrations, one after the other.

    Attributes:
        agent_pos: (M, A*P) float32.
        environment_state: (M, S) float32; S = 0 when the file does not hold it.
        pixels: Camera name -> (M, H, W, 3) uint8.
        expert_actions: (M, A*D) float32 in [-1, 1].
        ends: (M,) int64, index one after the last sample of the sample's demonstration.
        demo: (M,) int64, which demonstration the sample is of.
        sentences: For each demonstration the sentences that are true of it, first the one that it was told in.
    """

    agent_pos: np.ndarray
    environment_state: np.ndarray
    pixels: Mapping[str, np.ndarray]
    expert_actions: np.ndarray
    ends: np.ndarray
    demo: np.ndarray
    sentences: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.expert_actions)

    def action_chunks(self, indices: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the expert's next actions.

        Args:
            indices: (B,) samples.
            length: K, the number of actions from the sample's own on.

        Returns:
            Actions (B, K, A*D) float32, the last one repeated after the end of the demonstration, and a mask
            (B, K) bool that is False there.
        """
        wanted = indices[:, None] + np.arange(length)
        ends = self.ends[indices][:, None]
        return self.expert_actions[np.minimum(wanted, ends - 1)], wanted < ends


@dataclass(frozen=True)
class DemoSource:
    """What a demonstration file says of itself.

    Attributes:
        path: The file.
        env_kwargs: Arguments that rebuild the environment the demonstrations were collected in.
        action: Parts of one arm's action.
        agent_pos: Parts of one arm's proprioception.
        environment_state: Parts of the privileged state.
        content_hash: Hash over the demonstrations' own hashes: the same data gives the same value.
        demos: Number of demonstrations read.
    """

    path: Path
    env_kwargs: Mapping[str, Any]
    action: PartLayout
    agent_pos: PartLayout
    environment_state: PartLayout
    content_hash: str
    demos: int = field(default=0)


def load_demos(
    path: Path, with_pixels: bool, paraphrase: bool = False, on_demo: OnDemo = lambda total: None
) -> tuple[DemoDataset, DemoDataset, DemoSource]:
    """Read a demonstration file into memory.

    Args:
        path: HDF5 file of ``teamvla collect``.
        with_pixels: Whether to read the pictures, of every camera in the file.
        paraphrase: Whether to ask the task for all sentences that are true of a demonstration.
        on_demo: Called after each demonstration.

    Returns:
        Training samples, validation samples (none when the file sets none aside), and what the file is.

    Raises:
        UserError: When the file is missing, damaged or foreign, has no training demonstrations, or no
            pictures although they are asked for.
    """
    from teamvla_envs.demos.reader import open_demos
    from teamvla_envs.errors import UserError

    try:
        with open_demos(path) as file:
            splits = [file.split("train"), file.split("valid")]
            if not splits[0]:
                raise UserError(f"{path} has no training demonstrations: mask/train is empty")
            cameras = _cameras(file) if with_pixels else ()
            paraphraser = Paraphraser(file.env_kwargs) if paraphrase else None
            total = sum(map(len, splits))
            train, valid = (
                _read([file.demo(name) for name in names], cameras, paraphraser, lambda: on_demo(total))
                for names in splits
            )
            hashes = "\n".join(file.demo(name).content_hash for names in splits for name in names)
            source = DemoSource(
                path=path,
                env_kwargs=file.env_kwargs,
                action=PartLayout(tuple(file.parts("action"))),
                agent_pos=PartLayout(tuple(file.parts("agent_pos"))),
                environment_state=PartLayout(tuple(file.parts("environment_state"))),
                content_hash=hashlib.sha256(hashes.encode()).hexdigest(),
                demos=total,
            )
    except OSError as error:
        raise UserError(f"cannot read demonstrations {path}: {error.strerror or error}") from error
    return train, valid, source


def _cameras(file: "DemoFile") -> tuple[str, ...]:
    from teamvla_envs.errors import UserError

    if not file.cameras:
        raise UserError(
            f"{file.path} holds no pictures, which a vla policy learns from: "
            "collect with pictures, or train --policy state"
        )
    return tuple(sorted(file.cameras))


def _read(
    demos: Sequence["Demo"],
    cameras: tuple[str, ...],
    paraphraser: Paraphraser | None,
    on_demo: Callable[[], None],
) -> DemoDataset:
    lengths = [demo.num_samples for demo in demos]
    stops = np.cumsum(lengths, dtype=np.int64)
    arrays: dict[str, np.ndarray] = {}
    sentences: list[tuple[str, ...]] = []
    for demo, stop in zip(demos, stops.tolist(), strict=True):
        rows = slice(stop - demo.num_samples, stop)
        parts = {"agent_pos": demo.obs("agent_pos"), "expert_actions": demo.expert_actions}
        if "obs/environment_state" in demo.paths:
            parts["environment_state"] = demo.obs("environment_state")
        parts |= {camera: demo.obs(f"pixels/{camera}") for camera in cameras}
        for name, part in parts.items():
            whole = arrays.setdefault(name, np.zeros((sum(lengths), *part.shape[1:]), dtype=part.dtype))
            whole[rows] = part
        told = demo.instruction
        sentences.append(paraphraser.sentences(told, demo.states) if paraphraser else (told,))
        on_demo()
    nothing = np.zeros((sum(lengths), 0), dtype=np.float32)
    return DemoDataset(
        agent_pos=arrays.get("agent_pos", nothing),
        environment_state=arrays.get("environment_state", nothing),
        pixels={camera: arrays[camera] for camera in cameras if camera in arrays},
        expert_actions=arrays.get("expert_actions", nothing),
        ends=np.repeat(stops, lengths),
        demo=np.repeat(np.arange(len(demos)), lengths),
        sentences=tuple(sentences),
    )
