"""Temporal ensembling: the executed action is a mean of the overlapping chunks that predict it.

Zhao et al., "Learning fine-grained bimanual manipulation with low-cost hardware" (RSS 2023). There the oldest
prediction has the largest weight; here the newest has, which reacts sooner.
"""

import numpy as np

from teamvla_learn.policies.action_head import ActionSpace, HeadConfig


class TemporalEnsemble:
    """Temporal ensemble of the predictions of N worlds.

    Args:
        num_envs: N.
        chunk_length: K, actions predicted at once.
        exponent: m; a prediction that is ``age`` control steps old has weight exp(-m * age).
        gripper: (A*D,) bool, entries that are rounded to -1 or +1.
    """

    def __init__(self, num_envs: int, chunk_length: int, exponent: float, gripper: np.ndarray):
        self._chunks = np.zeros((num_envs, chunk_length, chunk_length, len(gripper)))  # by age, then position
        self._known = np.zeros((num_envs, chunk_length), bool)
        self._weights = np.exp(-exponent * np.arange(chunk_length))
        self._gripper = gripper

    def reset(self, mask: np.ndarray) -> None:
        """Discard the predictions of the worlds in ``mask`` (N,) bool."""
        self._known[mask] = False

    def blend(self, chunks: np.ndarray) -> np.ndarray:
        """Add predictions (N, K, A*D) float32 and return the actions to execute, (N, A*D) float32."""
        self._chunks = np.concatenate([chunks[:, None], self._chunks[:, :-1]], axis=1)
        self._known = np.concatenate([np.ones_like(self._known[:, :1]), self._known[:, :-1]], axis=1)
        ages = np.arange(len(self._weights))
        now = self._chunks[:, ages, ages]  # each prediction for this step
        weights = self._weights * self._known
        actions = (weights[:, :, None] * now).sum(1) / weights.sum(1, keepdims=True)
        return np.where(self._gripper, np.where(actions > 0, 1.0, -1.0), actions).astype(np.float32)


def make_ensemble(space: ActionSpace, head: HeadConfig | None, num_envs: int) -> TemporalEnsemble | None:
    """Return the temporal ensemble of a policy, or None if the newest prediction is executed."""
    if head is None or head.ensembling is None or space.chunk_length == 1:
        return None
    gripper = np.zeros((space.num_arms, space.action_size), bool)
    gripper[:, list(space.gripper_entries)] = True
    return TemporalEnsemble(num_envs, space.chunk_length, head.ensembling, gripper.ravel())
