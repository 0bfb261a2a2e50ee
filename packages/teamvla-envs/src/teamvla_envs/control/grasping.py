"""Geometry that the experts share: downward grasps and smooth switches."""

from typing import Any

from teamvla_envs.arrays import array_namespace

Array = Any


def downward_grasp(yaw: Array, commanded: Array) -> Array:
    """Tool orientation that points down with the fingers opening across an object of that yaw.

    Of the two equivalent orientations the one nearest to the arm's natural opening axis is taken.

    Args:
        yaw: Of the object, shape ``(N,)`` [rad].
        commanded: Commanded tool frames, shape ``(N, A, 4, 4)``.

    Returns:
        Shape ``(N, A, 3, 3)``.
    """
    xp = array_namespace(yaw)
    opening = xp.stack([-xp.sin(yaw), xp.cos(yaw), xp.zeros_like(yaw)], axis=-1)[:, None, :]
    natural = commanded[..., :3, 1]
    sign = xp.where(xp.sum(opening * natural, axis=-1, keepdims=True) < 0, -1.0, 1.0)
    y = opening * sign
    z = xp.zeros_like(y) + xp.asarray([0.0, 0.0, -1.0], dtype=y.dtype)
    x = xp.stack([-y[..., 1], y[..., 0], xp.zeros_like(y[..., 0])], axis=-1)
    return xp.stack([x, y, z], axis=-1)


def rotation_error(a: Array, b: Array) -> Array:
    """Angle [rad] between rotation matrices ``(..., 3, 3)``, shape ``(...)``."""
    xp = array_namespace(a)
    trace = xp.sum(a * b, axis=(-1, -2))
    return xp.acos(((trace - 1) / 2).clip(-1.0, 1.0))


def smoothstep(x: Array) -> Array:
    """0 below 0, 1 above 1, cubic in between."""
    x = x.clip(0.0, 1.0)
    return x * x * (3 - 2 * x)
