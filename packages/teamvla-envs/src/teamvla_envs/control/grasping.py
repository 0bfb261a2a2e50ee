"""Geometry shared by the experts: downward grasps and smooth switches."""

from typing import Any

from teamvla_envs.arrays import array_namespace, dot, like, stack_last
from teamvla_envs.geometry import clip_norm

Array = Any
# Share of the remaining error that one step corrects. 1 oscillates when actions are delayed; with a small share, noise
# and a learner's errors keep the hand next to its target.
GAIN = 0.7
BESIDE = 0.015  # [m] a tool nearer than this to a bar's axis has its fingers on both sides of it
SPEED = 0.018  # [m] largest displacement of a free hand in one step, 0.45 m/s


def downward_grasp(yaw: Array, commanded: Array) -> Array:
    """Tool orientation that points down, with the fingers opening across an object of that yaw.

    Of two equivalent orientations, it is the one nearest to the arm's natural opening axis.

    Args:
        yaw: Yaw of the object between each arm's fingers, shape ``(N, A)`` [rad].
        commanded: Commanded tool frames, shape ``(N, A, 4, 4)``.

    Returns:
        Shape ``(N, A, 3, 3)``.
    """
    xp = array_namespace(yaw)
    opening = stack_last(-xp.sin(yaw), xp.cos(yaw), 0 * yaw)
    natural = commanded[..., :3, 1]
    sign = xp.where(dot(opening, natural)[..., None] < 0, -1.0, 1.0)
    y = opening * sign
    z = xp.zeros_like(y) + like((0.0, 0.0, -1.0), y)
    x = stack_last(-y[..., 1], y[..., 0], 0 * y[..., 0])
    return stack_last(x, y, z)


def rotation_error(a: Array, b: Array) -> Array:
    """Angle [rad] between rotation matrices ``(..., 3, 3)``, shape ``(...)``."""
    xp = array_namespace(a)
    trace = xp.sum(a * b, axis=(-1, -2))
    return xp.acos(((trace - 1) / 2).clip(-1.0, 1.0))


def smoothstep(x: Array) -> Array:
    """Smooth step of any shape: 0 below 0, 1 above 1, cubic in between."""
    x = x.clip(0.0, 1.0)
    return x * x * (3 - 2 * x)


def norm(vector: Array) -> Array:
    """Euclidean length of vectors ``(..., 3)``, shape ``(...)``."""
    xp = array_namespace(vector)
    return xp.sqrt(dot(vector, vector))


def fingers_around(offset: Array, axis: Array, slack: float = 0.05) -> Array:
    """Whether the tool is so near to a bar that its fingers are on both sides of it.

    Args:
        offset: Tool position relative to the grasp point, shape ``(N, A, 3)`` [m].
        axis: Axis of the bar, shape ``(N, 1, 3)``.
        slack: Largest distance of the tool from the grasp point along the bar [m].

    Returns:
        Shape ``(N, A)`` bool.
    """
    xp = array_namespace(offset)
    along = dot(offset, axis)
    return (norm(offset - along[..., None] * axis) < BESIDE) & (xp.abs(along) < slack)


def funnel(
    command: Array,
    tool_pos: Array,
    offset: Array,
    turn: Array,
    opening: Array,
    width: Array,
    around: Array,
    holding: Array,
    wait: Array | float = 0.0,
) -> tuple[Array, Array, Array]:
    """Funnel-shaped descent to a grasp: high while the tool is off to the side, and lower the nearer it gets.

    A continuous function of the state: the target height grows smoothly with the lateral and angular miss, and the
    lateral speed decreases below it. Closing fingers continue to center themselves; fingers that closed on air open.

    Args:
        command: Commanded tool positions, shape ``(N, A, 3)`` [m].
        tool_pos: Measured tool positions, shape ``(N, A, 3)`` [m].
        offset: Measured tool positions relative to the grasp points, shape ``(N, A, 3)`` [m].
        turn: Angle between the tool and the target orientation, shape ``(N, A)`` [rad].
        opening: Opening of the gripper, shape ``(N, A)`` [m].
        width: Width of the object between the fingers, broadcast to ``(N, A)`` [m].
        around: Result of :func:`fingers_around`, shape ``(N, A)`` bool.
        holding: Arms that already hold the object, shape ``(N, A)`` bool.
        wait: Share of the height, in [0, 1], that is kept for any miss, broadcast to ``(N, A)``.

    Returns:
        Target tool positions ``(N, A, 3)`` [m], step limits ``(N, A)`` [m], and whether to grip ``(N, A)``.
    """
    xp = array_namespace(command)
    target = tool_pos - offset
    lateral, height = norm(offset[..., :2]), offset[..., 2]
    miss = lateral + 0.06 * turn
    # Fingers that are neither open nor around the object open above it instead of pressing on it.
    shut = xp.where(height > 0.008, 0.5 - 0.5 * smoothstep((opening - width - 0.01) / 0.02), 0.0)
    share = xp.maximum(smoothstep((miss - 0.004) / 0.05), shut)
    needed = 0.10 * xp.maximum(share, wait + xp.zeros_like(miss))
    # The further the fingers have closed around the object, the larger the tolerated miss.
    closing = xp.where(around, 1 - smoothstep((opening - width - 0.01) / 0.05), 0.0)
    near = (miss < 0.018 + 0.022 * closing) & (xp.abs(height) < 0.012 + 0.012 * closing)
    grip = (near | holding) & (opening > width - 0.006)
    slack = (1 - (needed - height) / 0.04).clip(0.02, 1.0)
    step = GAIN * (target - command)
    aside = clip_norm(step[..., :2], 0.016 * slack[..., None])
    down = -(0.006 + 0.012 * smoothstep((height - 0.02) / 0.10))
    rise = xp.maximum(step[..., 2] + GAIN * needed, down)
    pos = command + xp.concat([aside, rise[..., None]], axis=-1)
    return xp.where(grip[..., None], command + step.clip(-0.006, 0.006), pos), SPEED + 0 * height, grip
