"""Noise on the expert's joints: it leads the arms off the expert's path, so that the data shows the way back.

A first-order autoregression per joint, ``n[t] = 0.8 n[t-1] + w[t]`` with white ``w``, drifts instead of
trembling. The executed action carries the noise, the label stays the expert's clean action.
"""

from typing import Final

import numpy as np

PERSISTENCE: Final = 0.8
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
