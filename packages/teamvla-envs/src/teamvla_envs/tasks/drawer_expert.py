"""Expert of Drawer: the puller opens the drawer and holds it, the filler puts the cube in, the puller shuts it."""

from typing import TYPE_CHECKING

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, like
from teamvla_envs.control.expert import Array, Arrays, Expert, ToolGoals
from teamvla_envs.control.grasping import fingers_around, funnel, norm, rotation_error, smoothstep
from teamvla_envs.geometry import clip_norm, rotation_about_z, wrap_angle
from teamvla_envs.kinematics import Chains
from teamvla_envs.world import WorldState

if TYPE_CHECKING:
    from teamvla_envs.tasks.drawer import Drawer

PULLED = 0.17  # [m] opening to which the expert pulls a drawer
WAIT = (0.30, -0.05, 0.40)  # [m] waiting position of an arm that is done, on its own side


class DrawerExpert(Expert):
    """Opens a drawer with one arm and fills it with the other."""

    task: "Drawer"

    def tool_goals(self, world: WorldState, chains: Chains, facts: Arrays, signals: Arrays) -> ToolGoals:
        """Open the drawer and hold it, bring the cube, then shut the drawer."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, tools = chains.frames(world.joint_target)
        command = tools[..., :3, 3]
        pulling, holding, placed = s["pulling"], s["holding"], s["placed"][:, None]
        heading = like((0.0, np.pi), command)
        grasp_yaw = xp.where(pulling, heading, self.task.cube_yaw(world, s)[:, None])
        turn = rotation_error(_hands(grasp_yaw), world.tool_rot)
        up = like((0.0, 0.0, 1.0), command)
        around = fingers_around(s["offset"], up, slack=xp.where(pulling, 0.015, 0.03))
        # A hand that comes from over the cabinet stays above its roof until it is in front of it.
        over = xp.where(pulling, 1.6 * smoothstep((s["offset"][..., 1] - 0.02) / 0.05), 0.0)
        pos, speed, grip = funnel(
            command, world.tool_pos, s["offset"], turn, s["opening"], s["size"], around, holding, over
        )
        # The post centers itself between the fingers: close them without being precise.
        post = pulling & around & (turn < 0.3) & (s["opening"] > s["size"] - 0.006)
        closing = (grip | post) & ~holding & ~placed
        moving, carrying = pulling & holding, ~pulling & holding
        leaving = placed & ~holding
        center = command + (0.4 * (s["pinch"] - command)).clip(-0.01, 0.01)
        pull_pos = self._pull(world, command, s)
        carry_pos, aloft = self._carry(world, command, s)
        leave_pos, clear = self._leave(world, command, s)
        pos = xp.where(carrying[..., None], carry_pos, xp.where(moving[..., None], pull_pos, pos))
        pos = xp.where(leaving[..., None], leave_pos, xp.where(closing[..., None], center, pos))
        yaw = xp.where(carrying, np.pi / 2, xp.where(leaving, heading, grasp_yaw))
        rate = xp.where(carrying, aloft, xp.where(leaving, clear, 1.0))
        # Hysteresis: while the gripper opens, the drawer keeps counting as shut.
        shut = s["pulled"][:, None] < 0.012 + 0.4 * world.gripper_target
        closed = closing | (holding & ~(placed & (shut | ~pulling)))
        return ToolGoals(
            pos=pos,
            rot=_turned(tools[..., :3, :3], yaw, rate, world.joint_target[..., -1], chains),
            gripper=xp.where(closed, -1.0, 1.0),
            speed=xp.where(carrying | moving, 0.014, xp.where(leaving, 0.016, speed)),
            together=xp.zeros_like(s["placed"]),
        )

    def _pull(self, world: WorldState, command: Array, s: Arrays) -> Array:
        """Tool positions that pull a held handle, and push it once the cube is placed and the filler has left."""
        xp = array_namespace(command)
        over = s["origin"][:, 2] + self.task.cabinet.size[2] + 0.05
        gone = xp.all(s["pulling"] | (world.tool_pos[..., 2] > over[:, None]), axis=-1)
        # A cube that fell next to the open drawer can only be picked with the drawer out of the way.
        x, y = xp.abs(s["pos"][:, 0]), s["pos"][:, 1]
        fallen = xp.where(s["cube_held"] | s["placed"], 0.0, smoothstep(y / 0.03) * smoothstep((0.22 - x) / 0.03))
        wanted = xp.where(s["placed"] & gone, -0.005, PULLED * (1 - fallen))
        way = s["pinch"] - command
        along = way[..., 1] + (s["pulled"] - wanted)[:, None]
        step = (0.4 * way).clip(-0.01, 0.01)
        return command + xp.stack([step[..., 0], along.clip(-0.011, 0.011), step[..., 2]], axis=-1)

    def _carry(self, world: WorldState, command: Array, s: Arrays) -> tuple[Array, Array]:
        """Tool positions that bring a held cube over the open drawer and down into it; and the rate of turning."""
        xp = array_namespace(command)
        drop, pos = s["drop"], s["pos"]
        rows = arange(drop.shape[0], drop)
        across = xp.abs(world.tool_rot[rows, s["filler"], 1, 0])  # 1: the fingers open along the drawer
        # Until the drawer is open and the hand is turned, the cube waits next to it.
        beside = 1 - smoothstep((s["pulled"] - 0.08) / 0.06) * smoothstep((across - 0.7) / 0.25)
        side = xp.sign(drop[:, 0])
        goal = drop[:, :2] + beside[:, None] * xp.stack([0.10 * side, -0.10 + 0 * side], axis=-1)
        ready = xp.where(s["handle_held"], smoothstep((s["pulled"] - 0.13) / 0.02), 0.0)
        half = s["cube_size"] / 2
        safe = s["origin"][:, 2] + self.task.cabinet.size[2] + 0.03 + half
        share = xp.maximum(smoothstep((s["lateral"] - 0.008) / 0.05), 1 - ready)
        needed = drop[:, 2] + (safe - drop[:, 2]) * share
        free = smoothstep(1 - (needed - 0.02 - pos[:, 2]) / 0.05)
        hang = (world.tool_pos - pos[:, None]).clip(-0.03, 0.03)
        target = xp.concat([goal, needed[:, None]], axis=-1)[:, None] + hang
        return _step(command, target, 0.013 * free[:, None]), smoothstep((pos[:, 2] - half) / 0.06)[:, None]

    def _leave(self, world: WorldState, command: Array, s: Arrays) -> tuple[Array, Array]:
        """Tool positions of arms that are done: up, then to their waiting positions; 1 where they are high enough."""
        xp = array_namespace(command)
        wait = like(((-WAIT[0], *WAIT[1:]), WAIT), command)
        clear = smoothstep((world.tool_pos[..., 2] - s["origin"][:, None, 2] - 0.13) / 0.04)
        # A released object stays between the fingers until they are above it.
        left = xp.where(s["pulling"][..., None], s["handle"][:, None], s["drop"][:, None])
        beside = (1 - clear) * smoothstep(2 - norm((left - command)[..., :2]) / 0.03)
        target = wait + (left - wait) * beside[..., None]
        target = xp.concat([target[..., :2], (wait + 0 * command)[..., 2:]], axis=-1)
        opened = smoothstep((s["opening"] - s["size"] - 0.006) / 0.012)
        step = _step(command, target, 0.016 * clear + 0.004 * beside) - command
        return command + opened[..., None] * step, clear


def _hands(yaw: Array) -> Array:
    """Tool orientations that point down, x at ``yaw`` [rad] ``(...)`` from the world's, shape ``(..., 3, 3)``."""
    return rotation_about_z(yaw) @ like(np.diag([1.0, -1.0, -1.0]), yaw)


def _turned(rot: Array, yaw: Array, rate: Array, wrist: Array, chains: Chains) -> Array:
    """Next tool orientations ``(N, A, 3, 3)`` on the way to ``yaw``, pointing down, at a share ``rate`` of full speed.

    They turn the short way, unless a limit of the last joint, at ``wrist`` (N, A) [rad], blocks it.
    """
    xp = array_namespace(yaw)
    now = xp.atan2(rot[..., 1, 0], rot[..., 0, 0])
    turn = wrap_angle(yaw - now, 2 * np.pi)
    other = turn - 2 * np.pi * xp.sign(turn)
    lower, upper = chains.lower[:, -1], chains.upper[:, -1]
    end, far_end = wrist - turn, wrist - other  # the last joint turns about an axis that points down
    blocked = ((end < lower) | (end > upper)) & (far_end > lower) & (far_end < upper)
    return _hands(now + rate * (0.8 * xp.where(blocked, other, turn)).clip(-0.16, 0.16))


def _step(command: Array, target: Array, aside: Array) -> Array:
    """The next commanded positions: at most ``aside`` ``(N, A)`` sideways, up fast and down gently [m]."""
    xp = array_namespace(command)
    step_xy = clip_norm(target[..., :2] - command[..., :2], aside[..., None])
    gap = target[..., 2] - command[..., 2]
    step_z = xp.maximum(gap, -(0.25 * xp.abs(gap) + 0.002).clip(None, 0.008)).clip(None, 0.010)
    return command + xp.concat([step_xy, step_z[..., None]], axis=-1)
