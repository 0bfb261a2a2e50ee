"""From tool goals to joint motions: one damped least-squares step for every arm of every world."""

from typing import Any

from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.actions import limit_step, posture_motion
from teamvla_envs.control.kinematics import Chains, differential_ik
from teamvla_envs.geometry import clip_norm, rotation_vector
from teamvla_envs.sim.base import WorldState
from teamvla_envs.tasks.base import ToolGoals

Array = Any
TURN_STEP = 0.08  # [rad] largest tool rotation of one control step, 2 rad/s


def follow(goals: ToolGoals, world: WorldState, chains: Chains) -> Array:
    """Joint displacements that move the commanded tools towards their goals.

    Args:
        goals: Wanted tool poses.
        world: Present state.
        chains: Kinematics of the team.

    Returns:
        Shape ``(N, A, J)`` [rad], within the limit of one control step.
    """
    xp = array_namespace(world.joint_target)
    frames, tool = chains.frames(world.joint_target)
    jacobian = chains.jacobian(frames, tool)
    translation = clip_norm(goals.pos - tool[..., :3, 3], goals.speed[..., None])
    turn = clip_norm(rotation_vector(goals.rot @ xp.matrix_transpose(tool[..., :3, :3])), TURN_STEP)
    twist = xp.concat([translation, turn], axis=-1)
    step = differential_ik(jacobian, twist, posture_motion(chains, world.joint_target))
    return limit_step(step, goals.together)
