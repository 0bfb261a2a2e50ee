"""Observations: named parts, flattened in one order for spaces, demonstrations and documentation."""

from collections.abc import Mapping
from typing import Any

from teamvla_envs.arrays import array_namespace
from teamvla_envs.geometry import rot6d
from teamvla_envs.world import WorldState

Array = Any
OBS_MODES = ("state", "vision", "vision+state")


def proprioception(world: WorldState) -> dict[str, Array]:
    """Proprioception of each arm: name to ``(N, A, k)``; positions in the world frame."""
    return {
        "joint_pos": world.joint_pos,
        "joint_vel": world.joint_vel,
        "gripper_opening": world.gripper_opening[..., None],
        "gripper_target": world.gripper_target[..., None],
        "tool_pos": world.tool_pos,
        "tool_rot6d": rot6d(world.tool_rot),
    }


def agent_pos(parts: Mapping[str, Array]) -> Array:
    """Proprioception of the team, arm by arm.

    Args:
        parts: Name to ``(N, A, k)``.

    Returns:
        Shape ``(N, A * P)``, float32.
    """
    arrays = list(parts.values())
    xp = array_namespace(arrays[0])
    joined = xp.concat(arrays, axis=-1)
    return xp.astype(xp.reshape(joined, (joined.shape[0], -1)), xp.float32)


def environment_state(agent: Array, parts: Mapping[str, Array]) -> Array:
    """Privileged observation: proprioception, then the task's own parts.

    Args:
        agent: Shape ``(N, A * P)``.
        parts: Name to ``(N, k)``.

    Returns:
        Shape ``(N, S)``, float32.
    """
    xp = array_namespace(agent)
    return xp.astype(xp.concat([agent, *parts.values()], axis=-1), xp.float32)


def peer_summary(world: WorldState) -> Array:
    """Summary of each arm's peers: their tools relative to its own, and their grippers.

    Returns:
        Shape ``(N, A, (A - 1) * 4)``, float32: for each other arm in order, offset [m] and opening [m].
    """
    xp = array_namespace(world.tool_pos)
    n, arms = world.tool_pos.shape[:2]
    others = [[j for j in range(arms) if j != k] for k in range(arms)]
    offset = world.tool_pos[:, others] - world.tool_pos[:, :, None]
    summary = xp.concat([offset, world.gripper_opening[:, others, None]], axis=-1)
    return xp.astype(xp.reshape(summary, (n, arms, -1)), xp.float32)
