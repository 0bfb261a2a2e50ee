"""Dataset of observations and expert actions of one or more tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from teamvla_learn.data.image_store import ImageStore
from teamvla_learn.data.layout import PartLayout, common_parts


@dataclass(frozen=True)
class MultiTaskDataset:
    """M consecutive samples, one per control step, of several demonstrations.

    Attributes:
        agent_pos: (M, A*P) float32.
        environment_state: (M, S) float32; S = 0 if a file does not hold it or it differs between tasks.
        pixels: Camera name -> (M, H, W, 3) uint8.
        keypoints: Camera name -> (M, T, 2) float32, image coordinates of the task's keypoints
            (:func:`teamvla_learn.data.keypoints.project_keypoints`).
        expert_actions: (M, A*D) float32 in [-1, 1].
        begins: (M,) int64, index of the first sample of each sample's demonstration.
        ends: (M,) int64, index after its last sample.
        demo: (M,) int64, number of its demonstration.
        sentences: All sentences that are true of each demonstration, first the recorded instruction.
        tasks: Names of the tasks.
        task: (M,) int64, number of its task.
        file: (M,) int64, number of its file.
        states: Layout of the auxiliary targets of each file, and their values (m, S) float32.
    """

    agent_pos: np.ndarray
    environment_state: np.ndarray
    pixels: Mapping[str, ImageStore]
    keypoints: Mapping[str, np.ndarray]
    expert_actions: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    demo: np.ndarray
    sentences: tuple[tuple[str, ...], ...]
    tasks: tuple[str, ...]
    task: np.ndarray
    file: np.ndarray
    states: tuple[tuple[PartLayout, np.ndarray], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.expert_actions)

    @property
    def parts(self) -> dict[str, int]:
        """Name and length of the auxiliary targets, without those whose length differs between tasks."""
        return common_parts(layout for layout, _ in self.states)

    def part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return an auxiliary target.

        Returns:
            Values (M, k) float32, zeros for samples of tasks without it, and a mask (M,) bool of those with it.
        """
        size, values, known = self.parts[name], [], []
        for layout, state in self.states:
            has = name in layout.names
            values.append(state[:, slice(*layout.span(name))] if has else np.zeros((len(state), size), np.float32))
            known.append(np.full(len(state), has))
        return _joined(values), np.concatenate(known)

    def action_chunks(self, indices: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the next K expert actions.

        Args:
            indices: (B,) int64, the samples.
            length: K, counted from the sample's own action.

        Returns:
            Actions (B, K, A*D) float32, padded with the last one beyond the end of the demonstration, and a mask
            (B, K) bool that is False there.
        """
        wanted = indices[:, None] + np.arange(length)
        ends = self.ends[indices][:, None]
        return self.expert_actions[np.minimum(wanted, ends - 1)], wanted < ends


def join(datasets: Sequence[MultiTaskDataset]) -> MultiTaskDataset:
    """Concatenate datasets with equal cameras, proprioception and actions."""
    if len(datasets) == 1:
        return datasets[0]
    samples = np.cumsum([0, *map(len, datasets)])
    demos = np.cumsum([0, *(len(data.sentences) for data in datasets)])
    tasks = tuple(dict.fromkeys(name for data in datasets for name in data.tasks))
    numbers = [np.array([tasks.index(name) for name in data.tasks], np.int64)[data.task] for data in datasets]
    layouts = {layout for data in datasets for layout, _ in data.states}
    states = [data.environment_state for data in datasets]
    same = len(layouts) == 1
    return MultiTaskDataset(
        agent_pos=np.concatenate([data.agent_pos for data in datasets]),
        environment_state=np.concatenate(states) if same else np.zeros((samples[-1], 0), np.float32),
        pixels={camera: ImageStore.join([data.pixels[camera] for data in datasets]) for camera in datasets[0].pixels},
        keypoints={camera: _stacked([data.keypoints[camera] for data in datasets]) for camera in datasets[0].keypoints},
        expert_actions=np.concatenate([data.expert_actions for data in datasets]),
        begins=np.concatenate([data.begins + start for data, start in zip(datasets, samples, strict=False)]),
        ends=np.concatenate([data.ends + start for data, start in zip(datasets, samples, strict=False)]),
        demo=np.concatenate([data.demo + first for data, first in zip(datasets, demos, strict=False)]),
        sentences=tuple(sentences for data in datasets for sentences in data.sentences),
        tasks=tasks,
        task=np.concatenate(numbers),
        file=np.concatenate([data.file + number for number, data in enumerate(datasets)]),
        states=tuple(state for data in datasets for state in data.states),
    )


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _stacked(keypoints: list[np.ndarray]) -> np.ndarray:
    """Keypoints (M, T, 2) of several datasets; those that a task does not have are NaN."""
    most = max(array.shape[1] for array in keypoints)
    missing = [((0, 0), (0, most - array.shape[1]), (0, 0)) for array in keypoints]
    return np.concatenate([np.pad(a, w, constant_values=np.nan) for a, w in zip(keypoints, missing, strict=True)])
