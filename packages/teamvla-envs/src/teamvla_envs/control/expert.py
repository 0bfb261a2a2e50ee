"""Scripted experts, and the controller that turns their tool goals into joint motions.

The controller is one damped least-squares step for every arm of every world.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from teamvla_envs.arrays import array_namespace, dot
from teamvla_envs.control.actions import JOINT_STEP, limit_step, posture_motion
from teamvla_envs.control.grasping import norm, smoothstep
from teamvla_envs.geometry import clip_norm, rotation_vector
from teamvla_envs.kinematics import Chains, differential_ik
from teamvla_envs.world import WorldState

Array = Any
Arrays = Mapping[str, Array]  # named arrays, first axis N
STRAY = 0.94  # share of the way from the rest posture to a joint limit
TURN_STEP = 0.08  # [rad] largest tool rotation of one control step, 2 rad/s
TURN_GAIN = 0.5  # share of the remaining rotation in one step; 1 oscillates when actions are delayed


@dataclass(frozen=True)
class ToolGoals:
    """Targets of the tools for the next control step.

    Attributes:
        pos: Target tool positions, shape ``(N, A, 3)`` [m].
        rot: Target tool orientations, shape ``(N, A, 3, 3)``.
        gripper: -1 closed, +1 open, shape ``(N, A)``.
        speed: Largest tool displacement of this step, shape ``(N, A)`` [m].
        together: Worlds in which all arms of a team are slowed down to the slowest, shape ``(N,)`` bool.
    """

    pos: Array
    rot: Array
    gripper: Array
    speed: Array
    together: Array


class Expert(ABC):
    """A scripted policy that solves a task from any state: it has no clock and no memory.

    Args:
        task: The task to solve.
    """

    task: Any

    def __init__(self, task: Any):
        self.task = task

    @abstractmethod
    def tool_goals(self, world: WorldState, chains: Chains, facts: Arrays, signals: Arrays) -> ToolGoals:
        """Targets of the tools in the present state.

        Args:
            world: Present state.
            chains: Kinematics of the team.
            facts: Facts of the episodes, first axis N.
            signals: The task's signals in the present state, first axis N.
        """


def follow(goals: ToolGoals, world: WorldState, chains: Chains) -> Array:
    """Joint displacements that move the commanded tools towards their goals.

    Args:
        goals: Target tool poses.
        world: Present state.
        chains: Kinematics of the team.

    Returns:
        Shape ``(N, A, J)`` [rad], within the limit of one control step.
    """
    xp = array_namespace(world.joint_target)
    frames, tool = chains.frames(world.joint_target)
    jacobian = chains.jacobian(frames, tool)
    translation = clip_norm(goals.pos - tool[..., :3, 3], goals.speed[..., None])
    turn = rotation_vector(goals.rot @ xp.matrix_transpose(tool[..., :3, :3]))
    turn = clip_norm(TURN_GAIN * _unwound(turn, frames, world.joint_target, chains), TURN_STEP)
    twist = xp.concat([translation, turn], axis=-1)
    step = differential_ik(jacobian, twist, posture_motion(chains, world.joint_target))
    # An arm near a joint limit returns to its rest posture first.
    away = chains.rest - world.joint_target
    room = xp.where(away < 0, chains.upper - chains.rest, chains.rest - chains.lower)
    # High above the table it does so earlier: a stretched arm would stay between its limit and its goal for good.
    high = smoothstep((tool[..., 2, 3] - 0.5) / 0.1)
    stray = smoothstep((xp.max(xp.abs(away) / room, axis=-1) - STRAY + 0.25 * high) / 0.05)
    homing = stray * xp.astype(goals.gripper > 0, step.dtype)
    step = step + homing[..., None] * (away.clip(-JOINT_STEP, JOINT_STEP) - step)
    return limit_step(step, goals.together)


def _unwound(turn: Array, frames: Array, joint_target: Array, chains: Chains) -> Array:
    """Tool rotations ``(N, A, 3)`` [rad]; the long way round where a limit of the last joint blocks the short one."""
    xp = array_namespace(turn)
    axis = (frames[..., -1, :3, :3] @ chains.axis[:, -1, :, None])[..., 0]
    angle, about = norm(turn), dot(turn, axis)
    end = joint_target[..., -1] + about
    other = end - 2 * np.pi * xp.sign(about)
    lower, upper = chains.lower[:, -1], chains.upper[:, -1]
    blocked = ((end < lower) | (end > upper)) & (other > lower) & (other < upper)
    blocked = blocked & (xp.abs(about) > 0.7 * angle)
    return turn * xp.where(blocked, 1 - 2 * np.pi / angle.clip(1e-9), 1.0)[..., None]
