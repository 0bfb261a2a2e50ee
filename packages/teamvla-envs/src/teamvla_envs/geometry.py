"""Rotations and poses as arrays: quaternions are wxyz, matrices act on column vectors, leading axes broadcast.

Every function works in the array namespace of its input (numpy or torch).
"""

from typing import Any

import numpy as np

from teamvla_envs.arrays import array_namespace, dot, like, stack_last

Array = Any
# The nine entries of a rotation matrix are sums of products of a unit quaternion's entries (wxyz): entry by entry the
# diagonals ww + xx - yy - zz, … and off them 2 (xy - wz), …; rows are the 16 products, columns the 9 entries.
_PRODUCTS = np.zeros((4, 4, 3, 3))
for _i in range(3):
    _j, _k = (_i + 1) % 3, (_i + 2) % 3
    for _a, _sign in ((0, 1), (_i + 1, 1), (_j + 1, -1), (_k + 1, -1)):
        _PRODUCTS[_a, _a, _i, _i] = _sign
    _PRODUCTS[_i + 1, _j + 1, _i, _j] = _PRODUCTS[_i + 1, _j + 1, _j, _i] = 2
    _PRODUCTS[0, _k + 1, _i, _j], _PRODUCTS[0, _k + 1, _j, _i] = -2, 2
_MATRIX_FROM_PRODUCTS = _PRODUCTS.reshape(16, 9)


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
    """Rotation matrices ``(..., 3, 3)`` of unit quaternions ``(..., 4)`` wxyz."""
    xp = array_namespace(quat)
    products = xp.reshape(quat[..., :, None] * quat[..., None, :], (*quat.shape[:-1], 1, 16))
    return xp.reshape(products @ like(_MATRIX_FROM_PRODUCTS, quat), (*quat.shape[:-1], 3, 3))


def rotation_about_z(angle: Array) -> Array:
    """Rotation matrices ``(..., 3, 3)`` about z by ``angle`` ``(...)`` [rad]."""
    xp = array_namespace(angle)
    c, s = xp.cos(angle), xp.sin(angle)
    zero = 0 * c
    return xp.reshape(stack_last(c, -s, zero, s, c, zero, zero, zero, zero + 1), (*angle.shape, 3, 3))


def rotation_vector(matrix: Array) -> Array:
    """Rotation vector, axis times angle [rad], of a rotation matrix.

    Args:
        matrix: Shape ``(..., 3, 3)``.

    Returns:
        Shape ``(..., 3)`` [rad], of length 0 to pi.
    """
    xp = array_namespace(matrix)
    quat = quat_from_matrix(matrix)
    w, v = quat[..., :1], quat[..., 1:]
    sine = xp.sqrt(dot(v, v))[..., None]
    angle = 2 * xp.atan2(sine, w)
    small = sine < 1e-9
    return xp.where(small, 2 * v, v * (angle / xp.where(small, xp.ones_like(sine), sine)))


def rot6d(matrix: Array) -> Array:
    """The first two columns of a rotation matrix ``(..., 3, 3)`` as six numbers ``(..., 6)`` (Zhou et al. 2019)."""
    xp = array_namespace(matrix)
    return xp.reshape(xp.matrix_transpose(matrix[..., :2]), (*matrix.shape[:-2], 6))


def wrap_angle(angle: Array, period: float) -> Array:
    """Wrap angles [rad] of any shape to [-period/2, period/2)."""
    xp = array_namespace(angle)
    return angle - period * xp.floor(angle / period + 0.5)


def clip_norm(vector: Array, limit: Array) -> Array:
    """Shorten vectors ``(..., n)`` to at most ``limit``, which is broadcast to ``(..., 1)``; any unit."""
    xp = array_namespace(vector)
    norm = xp.sqrt(dot(vector, vector))[..., None]
    return vector * (limit / norm.clip(1e-12)).clip(None, 1.0)
