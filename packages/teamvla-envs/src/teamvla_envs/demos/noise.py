"""Noise and slips on the expert's actions, which leave the expert's path so that the data shows the way back.

A first-order autoregression per joint, ``n[t] = 0.8 n[t-1] + w[t]`` with white ``w``, drifts instead of
trembling. The executed action carries the noise, the label stays the expert's clean action. A slip is a
short and large mistake of one arm with an open gripper: it drifts off, or closes its gripper on nothing.
"""

from typing import Final

import numpy as np

PERSISTENCE: Final = 0.8
SLIP_STEPS: Final = 8  # length of a slip
DRIFT: Final = 0.03  # [rad] largest joint displacement of a drifting step
_STREAM: Final = 0xA401  # keeps these draws apart from those that the environment makes with the same seed


def joint_noise(seed: int, num_steps: int, num_arms: int, num_joints: int, scale: float) -> np.ndarray:
    """Return the noise of one episode, which depends on its seed alone.

    Args:
        seed: The episode's seed.
        num_steps: Length of the episode; a longer one begins with the same numbers.
        num_arms: A.
        num_joints: J.
        scale: Standard deviation of ``w`` [rad].

    Returns:
        (num_steps, A, J) float64 [rad].
    """
    rng = np.random.default_rng((_STREAM, seed))
    noise = scale * rng.standard_normal((num_steps, num_arms, num_joints))
    for step in range(1, num_steps):
        noise[step] += PERSISTENCE * noise[step - 1]
    return noise


def slips(seed: int, num_steps: int, num_arms: int, num_joints: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the slips of one episode, which depend on its seed alone.

    Args:
        seed: The episode's seed.
        num_steps: Length of the episode.
        num_arms: A.
        num_joints: J.
        rate: Expected number of slips of an arm in 100 steps.

    Returns:
        Joint drift (num_steps, A, J) float64 [rad], and the steps in which the gripper closes (num_steps, A) bool.
    """
    rng = np.random.default_rng((_STREAM, seed, 1))
    begins = rng.random((num_steps, num_arms)) < rate / 100
    closes = rng.random((num_steps, num_arms)) < 0.5
    direction = rng.standard_normal((num_steps, num_arms, num_joints))
    direction *= DRIFT / np.abs(direction).max(axis=-1, keepdims=True)
    drift, closed = np.zeros(direction.shape), np.zeros(begins.shape, dtype=bool)
    for step, arm in np.argwhere(begins).tolist():
        during = slice(step, step + SLIP_STEPS)
        if closes[step, arm]:
            closed[during, arm] = True
        else:
            drift[during, arm] = direction[step, arm]
    return drift, closed
