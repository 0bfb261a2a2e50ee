"""Expert of Handoff: the lead picks and carries the stick, the next arm takes its free end, the last lays it down."""

from typing import TYPE_CHECKING

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, like, stack_last
from teamvla_envs.control.expert import Array, Arrays, Expert, ToolGoals
from teamvla_envs.control.grasping import GAIN, fingers_around, funnel, norm, rotation_error, smoothstep
from teamvla_envs.geometry import clip_norm
from teamvla_envs.kinematics import Chains
from teamvla_envs.world import WorldState

if TYPE_CHECKING:
    from teamvla_envs.tasks.handoff import Handoff

GRASP_INSET = 0.015  # [m] from the stick's end to the grasp point
MEETING = (0.0, 0.0, 0.30)  # [m] where the stick changes hands
WAIT_REACH, WAIT_HEIGHT = 0.42, 0.42  # [m] waiting position of an idle arm's tool, in the frame of the arm


class HandoffExpert(Expert):
    """Passes the stick from arm to arm."""

    task: "Handoff"

    def tool_goals(self, world: WorldState, chains: Chains, facts: Arrays, signals: Arrays) -> ToolGoals:
        """The lead picks and carries, the next arm takes the free end, the others keep clear."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, tools = chains.frames(world.joint_target)
        command = tools[..., :3, 3]
        arms = arange(self.task.num_arms, command)
        lead, following = arms == s["lead"][:, None], (arms == s["following"][:, None]) & ~s["last"][:, None]
        done, held = s["on_goal"][:, None], s["held"][:, None]
        wait_pos, wait_rot = self._waiting(world)

        hands = _hands_along(s["toward"])
        meeting = norm(s["pos"] - like(MEETING, command))
        away = xp.abs(s["pos"] - like(MEETING, command))
        # A stick that slants in the hand hangs lower but can still be taken.
        away = xp.maximum(norm(away[:, :2]), away[:, 2] - 0.04)
        unsettled = smoothstep((away + 0.03 * s["tilt"] - 0.03) / 0.05)[:, None]
        unsettled = unsettled * smoothstep((s["opening"] - s["width"][:, None] - 0.01) / 0.03)
        around = fingers_around(s["offset"], s["toward"], slack=0.04)
        turn = rotation_error(hands, world.tool_rot)
        hover = xp.where(following, 1.25 * unsettled, 0.0)
        pos, speed, grip = funnel(
            command, world.tool_pos, s["offset"], turn, s["opening"], s["width"][:, None], around, s["holding"], hover
        )
        carry_pos, carry_rot = self._carry(world, command, tools[..., :3, :3], facts, s)
        pre_pos, pre_rot = self._expecting(s, wait_pos)

        take = following & (held & (meeting < 0.12)[:, None])
        expect = following & ~take
        carrying = lead & s["holding"]
        idle = ~(lead | following)
        # An arm that has released the stick, or is done, rises off it before moving away.
        beside = norm(world.tool_pos[..., :2] - s["pos"][:, None, :2]) < (s["length"] / 2 + 0.09)[:, None]
        low = beside & (world.tool_pos[..., 2] < (s["pos"][:, 2] + 0.12)[:, None])
        opened = s["opening"] > (s["width"] + 0.012)[:, None]
        leave = (idle | done | expect) & low
        rise = command + like((0.0, 0.0, 0.02), command) * xp.astype(opened, command.dtype)[..., None]

        goal_pos = xp.where(lead[..., None] | take[..., None], pos, xp.where(expect[..., None], pre_pos, wait_pos))
        goal_pos = xp.where(carrying[..., None] & ~done[..., None], carry_pos, goal_pos)
        goal_pos = xp.where(done[..., None], wait_pos, goal_pos)
        goal_pos = xp.where(leave[..., None], rise, goal_pos)
        rot = xp.where((lead | take)[..., None, None], hands, xp.where(expect[..., None, None], pre_rot, wait_rot))
        rot = xp.where((carrying & ~done)[..., None, None], carry_rot, rot)
        rot = xp.where((leave | done)[..., None, None], tools[..., :3, :3], rot)
        partner_firm = xp.any(s["holding"] & following, axis=-1)[:, None]
        closed = ((lead | take) & grip) | (s["holding"] & (lead | following))
        # A stick that hangs down would be jammed into the table: drop it and grasp it again.
        hangs = s["last"] & (s["lateral"] < 0.2) & (s["tilt"] > 0.5) & (s["pos"][:, 2] < s["length"] / 2 + 0.02)
        # A slanting stick cannot be pressed flat: release it as soon as its low end is on the pad.
        drooped = s["pos"][:, 2] - s["width"] / 2 - xp.sin(s["tilt"]) * s["length"] / 2
        slants = s["last"] & (s["lateral"] < 0.03) & (s["tilt"] > 0.03) & (drooped < 0.004)
        closed = closed & ~(lead & partner_firm) & ~done & ~(hangs | slants)[:, None]
        limit = xp.where(carrying, 0.018, xp.where(leave, 0.016, xp.where(lead | take, 1.4 * speed, 0.019)))
        return ToolGoals(
            pos=goal_pos,
            rot=rot,
            gripper=xp.where(closed, -1.0, 1.0),
            speed=limit,
            together=xp.zeros_like(s["held"]),
        )

    def _waiting(self, world: WorldState) -> tuple[Array, Array]:
        """Waiting poses of idle arms, broadcast to ``(N, A, …)``."""
        xp = array_namespace(world.tool_pos)
        pos = np.array([[*self.task.in_front_of(k, WAIT_REACH, 0.0), WAIT_HEIGHT] for k in range(self.task.num_arms)])
        ahead = np.array([[*self.task.base(k)[1], 0.0] for k in range(self.task.num_arms)])
        zero = xp.zeros_like(world.tool_pos)
        return zero + like(pos, zero), _hands_along(zero + like(ahead, zero))

    def _relay_axis(self, s: Arrays) -> Array:
        """Direction from the lead's base to the next arm's, shape ``(N, 3)``."""
        bases = like(self.task.bases, s["pos"])
        way = bases[s["following"]] - bases[s["lead"]]
        return way / norm(way)[:, None]

    def _expecting(self, s: Arrays, wait_pos: Array) -> tuple[Array, Array]:
        """Tool poses above the point where the free end will be."""
        axis = self._relay_axis(s)
        free_end = like(MEETING, axis) + axis * (s["length"] / 2 - GRASP_INSET)[:, None]
        pos = free_end + axis * 0.03 + like((0.0, 0.0, 0.13), axis)
        return 0 * wait_pos + pos[:, None], _hands_along(0 * wait_pos - axis[:, None])

    def _carry(
        self, world: WorldState, command: Array, tool_rot: Array, facts: Arrays, s: Arrays
    ) -> tuple[Array, Array]:
        """Tool poses that bring a held stick to the meeting point or down onto its pad.

        It rises before it moves sideways, and stays level no matter how it sits in the hand.
        """
        xp = array_namespace(command)
        last = s["last"]
        meeting = like(MEETING, command)
        goal = xp.where(last[:, None], facts["goal_pos"], meeting)
        way = goal[:, :2] - s["pos"][:, :2]
        lateral = norm(way)
        # The last arm waits until its partner's hand is clear.
        others = (s["touching"] | s["beside"]) & ~s["holding"]
        busy = xp.any(others, axis=-1) | (xp.sum(xp.astype(s["holding"], lateral.dtype), axis=-1) > 1)
        low = goal[:, 2] + 0.003
        needed = xp.where(last, low + (0.16 - low) * smoothstep((lateral - 0.01) / 0.06), meeting[2])
        floor = xp.where(last, needed - 0.02, 0.12)
        free = smoothstep(1 - (floor - s["pos"][:, 2]) / 0.05)
        axis = xp.where(last[:, None], self._radial(s, goal), self._relay_axis(s))
        hands = _hands_along(0 * command + axis[:, None])
        # The position of the stick's center in the hand determines that of the hand.
        center = xp.matrix_transpose(world.tool_rot) @ (s["pos"][:, None] - world.tool_pos)[..., None]
        ahead = (hands @ center)[..., 0]
        target_xy = goal[:, None, :2] - ahead[..., :2]
        step_xy = clip_norm(GAIN * (target_xy - command[..., :2]), (0.016 * free)[:, None, None])
        z = needed[:, None] + (world.tool_pos[..., 2] - s["pos"][:, None, 2]).clip(-0.015, 0.015)
        gap = z - command[..., 2]
        step_z = xp.maximum(gap, -(0.25 * xp.abs(gap) + 0.002).clip(None, 0.008)).clip(None, 0.012)
        step = xp.concat([step_xy, step_z[..., None]], axis=-1)
        still = busy[:, None, None]
        return command + xp.where(still, 0.0, 1.0) * step, xp.where(still[..., None], tool_rot, hands)

    def _radial(self, s: Arrays, goal: Array) -> Array:
        """Direction from the lead's base to the goal in the table plane, shape ``(N, 3)``."""
        xp = array_namespace(goal)
        bases = like(self.task.bases[:, :2], goal)
        way = goal[:, :2] - bases[s["lead"]]
        way = way / norm(way)[:, None]
        return xp.concat([way, xp.zeros_like(way[:, :1])], axis=-1)


def _hands_along(toward: Array) -> Array:
    """Tool orientations that point down, x along the horizontal direction ``toward``, shape ``(N, A, 3, 3)``."""
    xp = array_namespace(toward)
    flat = xp.concat([toward[..., :2], xp.zeros_like(toward[..., :1])], axis=-1)
    x = flat / norm(flat).clip(1e-9)[..., None]
    y = stack_last(x[..., 1], -x[..., 0], 0 * x[..., 0])
    z = 0 * x + like((0.0, 0.0, -1.0), x)
    return stack_last(x, y, z)
