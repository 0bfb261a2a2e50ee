"""Rotations and poses as arrays: quaternions are wxyz, matrices act on column vectors, leading axes broadcast.

Every function works in the array namespace of its input (numpy or torch).
"""

from typing import Any

from teamvla_envs.arrays import array_namespace

Array = Any


def quat_from_matrix(matrix: Array) -> Array:
    """Unit quaternion of a rotation matrix.

    Uses the largest of the four equivalent expressions (Shepperd's method), so it is well conditioned everywhere.

    Args:
        matrix: Shape ``(..., 3, 3)``.

    Returns:
        Shape ``(..., 4)``, wxyz with w >= 0.
    """
    xp = array_namespace(matrix)
    m = matrix
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 0] + m[..., 0, 2], m[..., 2, 1] + m[..., 1, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    candidates = xp.stack(
        [
            xp.stack([1 + xx + yy + zz, wx, wy, wz], axis=-1),
            xp.stack([wx, 1 + xx - yy - zz, xy, xz], axis=-1),
            xp.stack([wy, xy, 1 - xx + yy - zz, yz], axis=-1),
            xp.stack([wz, xz, yz, 1 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    norms = xp.sum(candidates * candidates, axis=-1)
    best = xp.argmax(norms, axis=-1)
    index = xp.broadcast_to(best[..., None, None], (*best.shape, 1, 4))
    quat = xp.take_along_axis(candidates, index, axis=-2)[..., 0, :]
    quat = quat / xp.sqrt(xp.sum(quat * quat, axis=-1, keepdims=True))
    return xp.where(quat[..., :1] < 0, -quat, quat)


def matrix_from_quat(quat: Array) -> Array:
    """Rotation matrix ``(..., 3, 3)`` of a unit quaternion ``(..., 4)`` wxyz."""
    xp = array_namespace(quat)
    w, x, y, z = quat[..., 0], quat[..., 1], quat[..., 2], quat[..., 3]
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    wx, wy, wz = w * x, w * y, w * z
    rows = [
        1 - 2 * (yy + zz), 2 * (xy - wz), 2 * (xz + wy),
        2 * (xy + wz), 1 - 2 * (xx + zz), 2 * (yz - wx),
        2 * (xz - wy), 2 * (yz + wx), 1 - 2 * (xx + yy),
    ]  # fmt: skip
    flat = xp.stack(rows, axis=-1)
    return xp.reshape(flat, (*quat.shape[:-1], 3, 3))


def rotation_about_z(angle: Array) -> Array:
    """Rotation matrices ``(..., 3, 3)`` about z by ``angle`` ``(...)`` [rad]."""
    xp = array_namespace(angle)
    c, s = xp.cos(angle), xp.sin(angle)
    zero, one = xp.zeros_like(c), xp.ones_like(c)
    return xp.reshape(xp.stack([c, -s, zero, s, c, zero, zero, zero, one], axis=-1), (*angle.shape, 3, 3))


def rotation_vector(matrix: Array) -> Array:
    """Axis times angle [rad] of a rotation matrix.

    Args:
        matrix: Shape ``(..., 3, 3)``.

    Returns:
        Shape ``(..., 3)``, angles in [0, pi].
    """
    xp = array_namespace(matrix)
    quat = quat_from_matrix(matrix)
    w, v = quat[..., :1], quat[..., 1:]
    sine = xp.sqrt(xp.sum(v * v, axis=-1, keepdims=True))
    angle = 2 * xp.atan2(sine, w)
    small = sine < 1e-9
    return xp.where(small, 2 * v, v * (angle / xp.where(small, xp.ones_like(sine), sine)))


def rot6d(matrix: Array) -> Array:
    """The first two columns of a rotation matrix ``(..., 3, 3)`` as six numbers ``(..., 6)`` (Zhou et al. 2019)."""
    xp = array_namespace(matrix)
    return xp.concat([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def wrap_angle(angle: Array, period: float) -> Array:
    """The angle [rad] equal to ``angle`` modulo ``period`` that lies in [-period/2, period/2)."""
    xp = array_namespace(angle)
    return angle - period * xp.floor(angle / period + 0.5)


def clip_norm(vector: Array, limit: Array) -> Array:
    """Vectors ``(..., n)`` shortened to at most ``limit`` (broadcast to ``(..., 1)``)."""
    xp = array_namespace(vector)
    norm = xp.sqrt(xp.sum(vector * vector, axis=-1, keepdims=True))
    return vector * (limit / norm.clip(1e-12)).clip(None, 1.0)
