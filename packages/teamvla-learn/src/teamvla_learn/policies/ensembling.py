"""Chunked actions blended over time: every control step's action was predicted several times, and the mean is executed.

Temporal ensembling: Zhao et al., "Learning fine-grained bimanual manipulation with low-cost hardware" (RSS 2023). There
the oldest prediction counts most; here the newest does, which reacts sooner.
"""

import numpy as np

from teamvla_learn.policies.action_head import ActionSpace, HeadConfig


class TemporalEnsemble:
    """Blends the predictions of N worlds.

    Args:
        num_envs: N.
        chunk_length: K, actions predicted at once.
        exponent: m; a prediction that is ``age`` control steps old has weight exp(-m * age).
        gripper: (A*D,) bool, entries that are executed as -1 or +1 after blending.
    """

    def __init__(self, num_envs: int, chunk_length: int, exponent: float, gripper: np.ndarray):
        self._chunks = np.zeros((num_envs, chunk_length, chunk_length, len(gripper)))  # by age, then by place
        self._known = np.zeros((num_envs, chunk_length), bool)
        self._weights = np.exp(-exponent * np.arange(chunk_length))
        self._gripper = gripper

    def reset(self, mask: np.ndarray) -> None:
        """Forget the predictions of the worlds in ``mask`` (N,) bool."""
        self._known[mask] = False

    def blend(self, chunks: np.ndarray) -> np.ndarray:
        """Take in new predictions (N, K, A*D) and return the actions to execute now, (N, A*D) float32."""
        self._chunks = np.concatenate([chunks[:, None], self._chunks[:, :-1]], axis=1)
        self._known = np.concatenate([np.ones_like(self._known[:, :1]), self._known[:, :-1]], axis=1)
        ages = np.arange(len(self._weights))
        now = self._chunks[:, ages, ages]  # what each prediction says about this step
        weights = self._weights * self._known
        actions = (weights[:, :, None] * now).sum(1) / weights.sum(1, keepdims=True)
        return np.where(self._gripper, np.where(actions > 0, 1.0, -1.0), actions).astype(np.float32)


def make_ensemble(space: ActionSpace, head: HeadConfig | None, num_envs: int) -> TemporalEnsemble | None:
    """Return what blends the predictions of a policy, or None when the newest is executed alone."""
    if head is None or head.ensembling is None or space.chunk_length == 1:
        return None
    gripper = np.zeros((space.num_arms, space.action_size), bool)
    gripper[:, list(space.gripper_entries)] = True
    return TemporalEnsemble(num_envs, space.chunk_length, head.ensembling, gripper.ravel())
