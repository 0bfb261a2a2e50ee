"""Expert of Lift: all arms grasp the load, carry it level as one rigid body, and release it on the stand."""

from typing import TYPE_CHECKING

import numpy as np

from teamvla_envs.arrays import array_namespace, like
from teamvla_envs.control.expert import Array, Arrays, Expert, ToolGoals
from teamvla_envs.control.grasping import downward_grasp, funnel, norm, rotation_error, smoothstep
from teamvla_envs.geometry import clip_norm, rotation_about_z, wrap_angle
from teamvla_envs.kinematics import Chains
from teamvla_envs.tasks.lift_loads import THICKNESS
from teamvla_envs.world import WorldState

if TYPE_CHECKING:
    from teamvla_envs.tasks.lift import Lift


class LiftExpert(Expert):
    """Carries the load of Lift."""

    task: "Lift"

    def tool_goals(self, world: WorldState, chains: Chains, facts: Arrays, signals: Arrays) -> ToolGoals:
        """Descend to the grasp points, carry the load as one rigid body, release it on the stand, and rise."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, commanded = chains.frames(world.joint_target)
        _, natural = chains.frames(chains.rest[None])
        command = commanded[..., :3, 3]
        yaw = xp.atan2(s["frame"][:, 1, 0], s["frame"][:, 0, 0])
        turns = like(self.task.load.turns, yaw)
        hands = downward_grasp(yaw[:, None] + turns, natural)

        grasp_pos, speed, gripper = self._grasp(world, command, hands, s)
        carry_pos, carry_yaw = self._carry(world, command, yaw, facts, s)
        carry, leave = s["all_hold"] & ~s["on_goal"], s["on_goal"]
        free = s["opening"] > THICKNESS + 0.02
        rise = command + like((0.0, 0.0, 0.02), command) * xp.astype(free, command.dtype)[..., None]
        rise = xp.where((world.tool_pos[..., 2] < s["pos"][:, None, 2] + 0.12)[..., None], rise, command)
        carrying, leaving = carry[:, None], leave[:, None]
        return ToolGoals(
            pos=xp.where(leaving[..., None], rise, xp.where(carrying[..., None], carry_pos, grasp_pos)),
            rot=xp.where(carrying[..., None, None], downward_grasp(carry_yaw[:, None] + turns, natural), hands),
            gripper=xp.where(leaving, 1.0, xp.where(carrying, -1.0, gripper)),
            speed=xp.where(carrying, 0.02, xp.where(leaving, 0.012, speed)),
            together=carry,
        )

    def _grasp(self, world: WorldState, command: Array, hands: Array, s: Arrays) -> tuple[Array, Array, Array]:
        """Tool positions, speeds and grippers on the way to a firm grasp of every grasp point."""
        xp = array_namespace(command)
        turn = rotation_error(hands, world.tool_rot)
        # A rod can be held anywhere; most of it is as good as the grasp point near its end.
        leeway = xp.maximum(xp.minimum(-s["along"], 0.7 * s["inward"]), -0.01 + 0 * s["along"])
        offset = s["offset"] + leeway[..., None] * s["rods"]
        pos, speed, grip = funnel(
            command, world.tool_pos, offset, turn, s["opening"], THICKNESS, s["around"], s["holding"]
        )
        # Until all hold, a holder keeps its end level with the center: neither lifted nor pressed down.
        tools = world.tool_pos - s["pos"][:, None]
        level = self.task.load.to_level(s["frame"], tools).clip(-0.006, 0.006)
        steady = xp.concat([command[..., :2], (command[..., 2] + level)[..., None]], axis=-1)
        return xp.where(s["holding"][..., None], steady, pos), speed, xp.where(grip, -1.0, 1.0)

    def _carry(self, world: WorldState, command: Array, yaw: Array, facts: Arrays, s: Arrays) -> tuple[Array, Array]:
        """Next commanded tool positions and yaw of a load that is moved as one rigid body."""
        xp = array_namespace(command)
        # The grasp offsets as they would be without the load's tilt, so that the next pose is a level one.
        offset = self.task.load.level_offsets(s["frame"], yaw, world.tool_pos - s["pos"][:, None])
        commanded_yaw = self.task.load.commanded_yaw(command, offset)
        level = rotation_about_z(commanded_yaw)
        center = xp.mean(command - (level[:, None] @ offset[..., None])[..., 0], axis=1)

        # A load with which something went wrong must be laid on the table before it may be carried on.
        goal = xp.where(s["spoiled"][:, None], like((0.0, 0.0, self.task.load.rest), command), facts["goal_pos"])
        way = s["pos"][:, :2] - goal[:, :2]
        lateral = norm(way)
        clearance = xp.max(facts["stand_pos"][:, :, 2], axis=-1) + 0.06 + self.task.load.rest
        hold = s["hold_goal"] & ~s["spoiled"]
        needed = goal[:, 2] + xp.where(hold, 0.0, clearance - goal[:, 2]) * smoothstep((lateral - 0.012) / 0.06)
        free = smoothstep(1 - (xp.where(hold, 0.16, needed - 0.02) - s["pos"][:, 2]) / 0.05)
        step_xy = clip_norm(goal[:, :2] - center[:, :2], (0.012 * free.clip(0.0))[:, None])
        gap = needed - center[:, 2]
        step_z = xp.maximum(gap, -(0.25 * xp.abs(gap) + 0.002).clip(None, 0.008)).clip(None, 0.010)
        turn_left = wrap_angle(-commanded_yaw, 2 * np.pi)
        next_yaw = commanded_yaw + turn_left.clip(-0.03, 0.03) * free
        center = center + xp.concat([step_xy, step_z[:, None]], axis=-1)
        return center[:, None] + (rotation_about_z(next_yaw)[:, None] @ offset[..., None])[..., 0], next_yaw
