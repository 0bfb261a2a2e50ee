"""Frames of a serial arm from its Denavit-Hartenberg parameters, independent of the models under test."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def craig_transform(a: float, d: float, alpha: float, theta: float) -> NDArray[np.float64]:
    """Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d), Craig, Introduction to Robotics, eq. 3.6."""
    ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array(
        [
            [ct, -st, 0.0, a],
            [st * ca, ct * ca, -sa, -sa * d],
            [st * sa, ct * sa, ca, ca * d],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def link_frames(
    parameters: Iterable[tuple[float, float, float]], joint_pos: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Poses of ``link1``, ``link2`` … in the base frame, each 4x4.

    Args:
        parameters: a [m], d [m] and alpha [rad] of each joint.
        joint_pos: Shape ``(J,)`` [rad].
    """
    frames, pose = {}, np.eye(4)
    for link, ((a, d, alpha), theta) in enumerate(zip(parameters, joint_pos, strict=True), 1):
        pose = pose @ craig_transform(a, d, alpha, theta)
        frames[f"link{link}"] = pose
    return frames
