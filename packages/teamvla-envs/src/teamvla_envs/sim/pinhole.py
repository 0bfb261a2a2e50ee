"""Pinhole cameras of many worlds: poses, rays, and projection of points."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from teamvla_envs.geometry import matrix_from_quat, quat_from_matrix
from teamvla_envs.scene.cameras import CameraSpec

_RING = 0.42  # [px] from the center of a pixel to all its rays but the first


def camera_views(
    cameras: Sequence[CameraSpec],
    bodies: Mapping[str, int],
    body_pos: np.ndarray,
    body_quat: np.ndarray,
    fields: Mapping[tuple[str, str], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Poses and fields of view of C cameras in n worlds, randomization included.

    Args:
        cameras: The cameras without randomization.
        bodies: Body name to index in the poses.
        body_pos: Positions of all bodies, shape ``(n, bodies, 3)`` [m].
        body_quat: Orientations wxyz, shape ``(n, bodies, 4)``.
        fields: Model fields that differ from world to world, first axis n: shifts [m], turns [rad], changes of the
            field of view [deg].

    Returns:
        Positions [m] and quaternions xyzw, shape ``(n, C, 7)`` float32, and vertical fields of view ``(n, C)`` [deg].
    """
    count = len(body_pos)
    pos, turn = np.empty((count, len(cameras), 3)), np.empty((count, len(cameras), 3, 3))
    fovy = np.empty((count, len(cameras)))
    nominal = matrix_from_quat(np.array([camera.quat for camera in cameras]))
    for c, camera in enumerate(cameras):
        pos[:, c] = np.array(camera.pos) + fields.get(("camera_shift", camera.name), 0.0)
        turn[:, c] = nominal[c]
        fovy[:, c] = camera.fovy + fields.get(("camera_fovy", camera.name), 0.0)
        tilt = fields.get(("camera_turn", camera.name))
        if tilt is not None:
            half = np.concatenate([np.ones((count, 1)), tilt / 2], -1)
            turn[:, c] = matrix_from_quat(half / np.linalg.norm(half, axis=-1, keepdims=True)) @ nominal[c]
    carried = [c for c, camera in enumerate(cameras) if camera.body is not None]
    carriers = [bodies[camera.body] for camera in cameras if camera.body is not None]
    frame = matrix_from_quat(body_quat[:, carriers])
    pos[:, carried] = body_pos[:, carriers] + (frame @ pos[:, carried, :, None])[..., 0]
    turn[:, carried] = frame @ turn[:, carried]
    return np.concatenate([pos, quat_from_matrix(turn)[..., [1, 2, 3, 0]]], -1).astype(np.float32), fovy


def project_points(points: np.ndarray, views: np.ndarray, fovy: np.ndarray, aspect: float) -> np.ndarray:
    """Project points of the world into images.

    Args:
        points: Shape ``(..., 3)`` [m].
        views: Poses of the cameras as :func:`camera_views` returns them, shape ``(..., 7)``.
        fovy: Vertical fields of view, shape ``(...)`` [deg].
        aspect: Width of an image divided by its height.

    Returns:
        Shape ``(..., 2)``: fractions of the width from the left and of the height from the top. A point
        outside of [0, 1] is not in the image; a point behind the camera is NaN.
    """
    turn = matrix_from_quat(views[..., [6, 3, 4, 5]])
    x, y, z = np.moveaxis((np.swapaxes(turn, -1, -2) @ (points - views[..., :3])[..., None])[..., 0], -1, 0)
    span = 2 * np.tan(np.radians(fovy) / 2) * np.where(z < 0, -z, np.nan)
    return np.stack([0.5 + x / (span * aspect), 0.5 - y / span], axis=-1)


def pinhole_rays(height: int, width: int, fovy: float, samples: int) -> np.ndarray:
    """Directions of the rays of a camera that looks along -z with y up, as Newton's sensor samples a pixel.

    Newton's kernel for the same takes seconds to compile.

    Args:
        height: Image height [px].
        width: Image width [px].
        fovy: Vertical field of view [deg].
        samples: Rays per pixel: the first through its center, further ones around it.

    Returns:
        Unit vectors, shape ``(height, width, samples, 3)`` float32.
    """
    angle = math.pi / 4 + 2 * math.pi * np.arange(samples - 1) / max(samples - 1, 1)
    offset = np.full((samples, 2), 0.5, np.float32)
    offset[1:] += (_RING * np.stack([np.cos(angle), np.sin(angle)], -1)).astype(np.float32)
    u = (np.arange(width, dtype=np.float32)[:, None] + offset[:, 0]) / np.float32(width) - np.float32(0.5)
    v = (np.arange(height, dtype=np.float32)[:, None] + offset[:, 1]) / np.float32(height) - np.float32(0.5)
    span = np.float32(2 * math.tan(math.radians(fovy) / 2))
    rays = np.empty((height, width, samples, 3), np.float32)
    rays[..., 0] = u * span * np.float32(width / height)
    rays[..., 1] = -v[:, None] * span
    rays[..., 2] = -1.0
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    return rays
