"""Lift: a team carries a crate-bar or a tray level to the stand that the sentence names, or holds it up."""

from collections.abc import Mapping
from functools import reduce
from operator import or_

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, dot, like
from teamvla_envs.control.grasping import (
    BESIDE,
    downward_grasp,
    funnel,
    norm,
    rotation_error,
    smoothstep,
)
from teamvla_envs.geometry import clip_norm, rot6d, rotation_about_z, wrap_angle
from teamvla_envs.kinematics import Chains
from teamvla_envs.randomization import Randomization
from teamvla_envs.scene.props import Prop, Table
from teamvla_envs.tasks.base import Array, Arrays, Start, Task, ToolGoals, pick
from teamvla_envs.tasks.instructions import vocabulary
from teamvla_envs.tasks.lift_loads import THICKNESS, load_of
from teamvla_envs.tasks.lift_sentences import HOLD, PLACE, TRAY_HOLD, TRAY_PLACE
from teamvla_envs.world import WorldState

STAND_COLORS: dict[str, tuple[float, float, float, float]] = {
    "green": (0.10, 0.55, 0.20, 1.0),
    "pink": (0.95, 0.40, 0.62, 1.0),
    "white": (0.93, 0.93, 0.93, 1.0),
    "black": (0.08, 0.08, 0.09, 1.0),
}
COLOR_NAMES = tuple(STAND_COLORS)

HOLD_POS = (0.0, 0.0, 0.34)  # [m] where the expert holds the load up
HOLD_HEIGHT = 0.27  # [m] from here on it counts as held up

SIDE_NAMES, HEIGHT_NAMES = ("front", "back"), ("lower", "taller")


class Lift(Task):
    """Carry a crate-bar level, with both arms, to the stand that the sentence names; or hold it up.

    The middle of the bar is too wide for a gripper, and held at one end it tilts: it takes two arms. Two stands of
    different colors and heights, one in front and one at the back; the sentence names one by color, side or height,
    or asks to hold the bar up. Success is the bar lying level on the named stand with no finger touching it, or held
    level above 0.27 m by both arms. Three or four arms carry a tray with a handle for each of them, and all of them
    must hold it for as long as it hangs in the air.
    """

    name = "lift"
    goals = ("stand_front", "stand_back", "hold")
    phases = ("approach", "grasp", "carry", "place", "release", "done")
    bodies = ("bar",)
    draws = 12
    goal_draw = 9
    pose_draws, size_draws, mass_draws = (0, 1, 2), (3, 7, 8), (4,)
    goal_parts = ("goal", "goal_pos", "object_to_goal")
    arm_counts = (2, 3, 4)

    def __init__(
        self,
        num_arms: int = 2,
        split: str = "train",
        randomization: str | Randomization | Mapping[str, float] = "default",
    ):
        super().__init__(num_arms, split, randomization)
        self.load = load_of(num_arms)
        self.bodies = (self.load.body,)

    def props(self) -> tuple[Prop, ...]:
        """Table, two stands and the load."""
        return (Table(), *self.load.props())

    def contact_pairs(self) -> tuple[tuple[str, str], ...]:
        """Each hand with the load; then what should not touch: arms with table, stands and one another."""
        arms = range(self.num_arms)
        return (
            *((f"arm_{k}/hand", self.load.body) for k in arms),
            *((f"arm_{k}/upper_arm", other) for k in arms for other in ("table", "stand_front", "stand_back")),
            *((f"arm_{j}/base", f"arm_{k}/base") for k in arms for j in range(k)),
        )

    def place(self, u: np.ndarray) -> Start:
        """Draw goal, colors, heights, and the load's pose, size and mass."""
        n, load = len(u), self.load
        colors = self.draw_pairs(u[:, 5])
        taller = pick(u[:, 6], 2)
        heights = np.stack([low + spread * u[:, 7 + i] for i, (low, spread) in enumerate(load.heights)], -1)
        heights = np.where(taller[:, None] == 1, heights, heights[:, ::-1])
        stand_pos = np.zeros((n, 2, 3))
        stand_pos[:, :, :2] = load.stand_xy
        stand_pos[:, :, 2] = heights
        goal = pick(u[:, 9], 3)
        on_stand = stand_pos[np.arange(n), np.minimum(goal, 1)] + (0, 0, load.rest)
        start = load.place(u[:, :5], taller)
        rgba = np.array(list(STAND_COLORS.values()))[colors]
        return Start(
            body_pose={load.body: start.pose},
            fields={
                **start.fields,
                ("body_pos", "stand_front"): stand_pos[:, 0],
                ("body_pos", "stand_back"): stand_pos[:, 1],
                ("geom_rgba", "stand_front_block"): rgba[:, 0],
                ("geom_rgba", "stand_back_block"): rgba[:, 1],
            },
            episode={
                "goal": goal,
                "goal_pos": np.where((goal == 2)[:, None], np.array(HOLD_POS), on_stand),
                "stand_pos": stand_pos,
                "colors": colors,
                "taller": taller,
                "expression": pick(u[:, 10], len(load.expressions)),
                "wording": u[:, 11],
                **start.size,
            },
        )

    def instruction(self, episode: Arrays, world: int) -> str:
        """Name the stand by one of the load's expressions, or ask to hold the load up."""
        goal, wording = int(episode["goal"][world]), float(episode["wording"][world])
        if goal == 2:
            return self.load.holding.choose(wording, self.split)
        which = self._names(episode, world)[int(episode["expression"][world])]
        return self.load.placing.choose(wording, self.split, which=which)

    def sentences(self, episode: Arrays, world: int) -> tuple[str, ...]:
        """All wordings; a stand in each of its names."""
        if int(episode["goal"][world]) == 2:
            return self.load.holding.every(self.split)
        names = self._names(episode, world)
        return tuple(sentence for which in names for sentence in self.load.placing.every(self.split, which=which))

    def _names(self, episode: Arrays, world: int) -> tuple[str, ...]:
        """What the goal's stand can be called, in the order of the load's expressions."""
        goal = int(episode["goal"][world])
        names = {
            "color": COLOR_NAMES[int(episode["colors"][world, goal])],
            "side": SIDE_NAMES[goal],
            "height": HEIGHT_NAMES[int(episode["taller"][world] == goal)],
        }
        return tuple(names[expression] for expression in self.load.expressions)

    @classmethod
    def vocabulary(cls) -> tuple[str, ...]:
        """Templates and the words that fill them."""
        return vocabulary((PLACE, HOLD, TRAY_PLACE, TRAY_HOLD), (*COLOR_NAMES, *SIDE_NAMES, *HEIGHT_NAMES))

    def blank_memory(self, n: int) -> dict[str, np.ndarray]:
        """Nothing went wrong yet."""
        return {fault: np.zeros(n, bool) for fault in self.load.faults}

    def remember(self, signals: Arrays) -> dict[str, Array]:
        """Which of the load's faults happened since it was last lifted off the table."""
        return {fault: signals[fault] for fault in self.load.faults}

    def signals(self, world: WorldState, episode: Arrays, memory: Arrays) -> dict[str, Array]:
        """Load, grasp points, holds, errors and faults; see the code for the definition of each."""
        xp = array_namespace(world.joint_pos)
        pos, rot, load = world.body_pos[:, 0], world.body_rot[:, 0], self.load
        frame = load.frame(rot)
        rods = like(load.directions, pos) @ xp.matrix_transpose(frame[..., :2])
        reach = load.reach(episode)[:, None]
        offset = world.tool_pos - pos[:, None] - rods * reach[..., None]
        distance = norm(offset)
        opening = world.gripper_opening
        along = dot(offset, rods)
        beside = norm(offset - along[..., None] * rods) < BESIDE
        around = beside & (along > load.inner - reach) & (along < 0.05)
        tilt = xp.acos(rot[:, 2, 2].clip(-1.0, 1.0))
        thickest = THICKNESS + 0.003 + load.give * tilt[:, None]
        holding = around & (opening > THICKNESS - 0.006) & (opening < thickest)
        all_hold = holding.all(-1)
        goal = episode["goal"]
        to_goal = episode["goal_pos"] - pos
        lateral = norm(to_goal[:, :2])
        lying = (pos[:, 2] < load.rest + 0.005) & (tilt < 0.05)
        hold_goal, above = goal == 2, xp.abs(to_goal[:, 2])
        there = ~hold_goal & (lateral < 0.04) & (above < 0.01)
        faults = {"tilted": tilt > 0.1745, "alone": (pos[:, 2] > load.rest + 0.02) & ~there & ~all_hold}
        faults = {fault: (memory[fault] | faults[fault]) & ~lying for fault in load.faults}
        spoiled = reduce(or_, faults.values())
        return {
            **faults, "spoiled": spoiled, "pos": pos, "frame": frame, "offset": offset,
            "distance": distance, "rods": rods, "along": along, "inward": reach - load.inner, "opening": opening,
            "around": around, "holding": holding, "all_hold": all_hold,
            "touching": (world.contact_count[:, : self.num_arms] > 0).any(-1),
            "to_goal": to_goal, "lateral": lateral, "tilt": tilt, "hold_goal": hold_goal,
            "on_goal": ~hold_goal & (lateral < 0.02) & (above < 0.005) & (tilt < 0.035) & ~spoiled,
        }  # fmt: skip

    def succeeds(self, signals: Arrays) -> Array:
        """On the named stand, level and let go; or held up level by all arms."""
        s = signals
        level = (s["tilt"] < 0.0873) & ~s["spoiled"]
        placed = (s["lateral"] < 0.04) & (abs(s["to_goal"][:, 2]) < 0.01) & ~s["touching"]
        held = (s["pos"][:, 2] > HOLD_HEIGHT) & s["all_hold"]
        xp = array_namespace(s["tilt"])
        return level & xp.where(s["hold_goal"], held, placed)

    def hold_steps(self, episode: Arrays) -> Array:
        """0.4 s on a stand, 1 s in the air."""
        xp = array_namespace(episode["goal"])
        return xp.where(episode["goal"] == 2, 25, 10)

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Reach, grasp, lift, keep level, approach the goal, let go there."""
        s = signals
        xp = array_namespace(s["tilt"])
        near = xp.where(s["hold_goal"] | s["on_goal"], 1.0, 0.0) * xp.exp(-5 * s["lateral"])
        # Raised as high as the goal is enough: to lower it onto a low stand must not cost.
        rest, top = self.load.rest, (s["pos"][:, 2] + s["to_goal"][:, 2]).clip(None, HOLD_HEIGHT)
        height = ((s["pos"][:, 2] - rest) / (top - rest)).clip(0.0, 1.0)
        lifted = xp.where(s["on_goal"], 1.0, height)
        grasped = xp.where(s["on_goal"], 1.0, s["holding"].sum(-1) / self.num_arms)
        reached = xp.where(s["on_goal"], 1.0, xp.exp(-4 * s["distance"]).sum(-1) / self.num_arms)
        distance = norm(s["to_goal"])
        return {
            "reach": (0.15, reached),
            "grasp": (0.2, grasped),
            "lift": (0.15, lifted),
            "level": (0.1, lifted * xp.exp(-25 * s["tilt"] ** 2)),
            "goal": (0.25, lifted * xp.exp(-4 * distance)),
            "release": (0.15, near * xp.where(s["hold_goal"] == s["touching"], 1.0, 0.0)),
        }

    def phase(self, signals: Arrays) -> Array:
        """Inferred from holds, heights and distances."""
        s = signals
        xp = array_namespace(s["tilt"])
        closing = (s["around"] & (s["opening"] < 0.07)).any(-1)
        over = ~s["hold_goal"] & (s["lateral"] < 0.03)
        carry = xp.where(over, 3, 2)
        working = xp.where(s["all_hold"], carry, xp.where(closing, 1, 0))
        resting = xp.where(s["touching"], 4, 5)
        return xp.where(s["on_goal"], resting, working)

    def joint_work(self, signals: Arrays) -> Array:
        """While all hold the load or it is off the table, until it lies on the goal."""
        s = signals
        return (s["all_hold"] | self._aloft(s) | (s["tilt"] > 0.0873)) & ~s["on_goal"]

    def roles(self, signals: Arrays) -> Array:
        """A load in the air is held by every arm; whoever holds it keeps it level within 5 degrees."""
        s = signals
        involved = s["holding"] | self._aloft(s)[:, None]
        level = (s["tilt"] < 0.0873)[:, None]
        return (s["holding"] & level) | ~involved | s["on_goal"][:, None]

    def _aloft(self, s: Arrays) -> Array:
        return s["pos"][:, 2] > self.load.rest + 0.02

    def state_parts(self, world: WorldState, episode: Arrays, signals: Arrays) -> dict[str, Array]:
        """Load, stands and goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        goal = xp.astype(episode["goal"][:, None] == arange(3, world.joint_pos), world.joint_pos.dtype)
        return {
            "object_pos": s["pos"],
            "object_rot6d": rot6d(s["frame"]),
            "object_vel": world.body_vel[:, 0],
            **self.load.size_part(episode),
            "stand_pos": xp.reshape(episode["stand_pos"], (n, 6)),
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "object_to_goal": s["to_goal"],
            "goal_pos": episode["goal_pos"],
            "goal": goal,
        }

    def tool_goals(self, world: WorldState, chains: Chains, episode: Arrays, signals: Arrays) -> ToolGoals:
        """Funnel down to the grasp points, carry the load as one body, let go on the stand, rise."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, commanded = chains.frames(world.joint_target)
        _, natural = chains.frames(chains.rest[None])
        command = commanded[..., :3, 3]
        yaw = xp.atan2(s["frame"][:, 1, 0], s["frame"][:, 0, 0])
        turns = like(self.load.turns, yaw)
        hands = downward_grasp(yaw[:, None] + turns, natural)

        grasp_pos, speed, gripper = self._grasp(world, command, hands, s)
        carry_pos, carry_yaw = self._carry(world, command, yaw, episode, s)
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
        level = self.load.to_level(s["frame"], tools).clip(-0.006, 0.006)
        steady = xp.concat([command[..., :2], (command[..., 2] + level)[..., None]], axis=-1)
        return xp.where(s["holding"][..., None], steady, pos), speed, xp.where(grip, -1.0, 1.0)

    def _carry(self, world: WorldState, command: Array, yaw: Array, episode: Arrays, s: Arrays) -> tuple[Array, Array]:
        """Next commanded tool positions and yaw of a load that is moved as one rigid body."""
        xp = array_namespace(command)
        # The grasp offsets as they would be without the load's tilt, so that the next pose is a level one.
        offset = self.load.level_offsets(s["frame"], yaw, world.tool_pos - s["pos"][:, None])
        commanded_yaw = self.load.commanded_yaw(command, offset)
        level = rotation_about_z(commanded_yaw)
        center = xp.mean(command - (level[:, None] @ offset[..., None])[..., 0], axis=1)

        # A load with which something went wrong must be laid on the table before it may be carried on.
        goal = xp.where(s["spoiled"][:, None], like((0.0, 0.0, self.load.rest), command), episode["goal_pos"])
        way = s["pos"][:, :2] - goal[:, :2]
        lateral = norm(way)
        clearance = xp.max(episode["stand_pos"][:, :, 2], axis=-1) + 0.06 + self.load.rest
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
