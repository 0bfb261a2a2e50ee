"""Lift: a team carries a crate-bar or a tray level to the stand that the instruction names, or holds it up."""

from functools import reduce
from operator import or_

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, dot, like
from teamvla_envs.control.grasping import BESIDE, norm
from teamvla_envs.geometry import rot6d
from teamvla_envs.scene.props import Prop, Table
from teamvla_envs.tasks.base import Array, Arrays, InitialState, Task
from teamvla_envs.tasks.colors import SURFACE_COLORS
from teamvla_envs.tasks.draws import Choice, Draws, Pair, Sample, Uniform, Wording
from teamvla_envs.tasks.lift_expert import LiftExpert
from teamvla_envs.tasks.lift_loads import THICKNESS, load_of
from teamvla_envs.tasks.parts import Part, goal_part
from teamvla_envs.world import ContactPair, WorldState

COLOR_NAMES = tuple(SURFACE_COLORS)
HOLD_POS = (0.0, 0.0, 0.34)  # [m] where the expert holds the load up
HOLD_HEIGHT = 0.27  # [m] from here on it counts as held up
SIDE_NAMES, HEIGHT_NAMES = ("front", "back"), ("lower", "taller")


class Lift(Task):
    """Carry a crate-bar level, with both arms, to the stand that the instruction names; or hold it up.

    The middle of the bar is too wide for a gripper, and held at one end it tilts: it takes two arms. Two stands of
    different colors and heights, one in front and one at the back; the instruction names one by color, side or height,
    or asks to hold the bar up. Success is the bar lying level on the named stand with no finger touching it, or held
    level above 0.27 m by both arms. Three or four arms carry a tray with a handle for each of them, and all of them
    must hold it for as long as it hangs in the air.
    """

    name = "lift"
    phases = ("approach", "grasp", "carry", "place", "release", "done")
    bodies = ("bar",)
    arm_counts = (2, 3, 4)
    expert = LiftExpert
    draws = Draws(
        x=Uniform(-0.06, 0.06, "m", scaled_by="poses", meaning="load, x"),
        y=Uniform(-0.06, 0.06, "m", scaled_by="poses", meaning="load, y"),
        yaw=Uniform(-0.6, 0.6, "rad", scaled_by="poses", meaning="load, yaw"),
        length=Uniform(0.40, 0.70, "m", scaled_by="sizes", held_out=True, meaning="bar, length", limits=(0.32, 0.80)),
        mass=Uniform(0.5, 1.5, "kg", scaled_by="masses", meaning="load, mass"),
        colors=Pair(SURFACE_COLORS, "colors of the front and the back stand"),
        taller=Choice(*SIDE_NAMES, meaning="the taller stand"),
        lower_height=Uniform(
            0.055, 0.08, "m", scaled_by="sizes", held_out=True, meaning="lower stand, height", limits=(0.02, 0.2)
        ),
        taller_height=Uniform(
            0.11, 0.14, "m", scaled_by="sizes", held_out=True, meaning="taller stand, height", limits=(0.02, 0.2)
        ),
        goal=Choice("stand_front", "stand_back", "hold"),
        expression=Choice("color", "side", "height", meaning="how the instruction names the stand"),
        wording=Wording(),
    )
    parts: tuple[Part, ...] = (
        Part("object_pos", 3, "m", "center of the load", "world", keypoint=True, auxiliary=True),
        Part("object_rot6d", 6, "", "two axes of the load, the same for equivalent poses", "world", auxiliary=True),
        Part("object_vel", 6, "m/s, rad/s", "linear velocity in world axes, angular in the load's axes", velocity=True),
        Part("object_length", 1, "m", "length of the bar"),
        Part("stand_pos", 6, "m", "centers of the stands' tops, front then back", "world"),
        Part("tool_to_grasp", 3, "m", "from each tool to its grasp point", "world", per_arm=True, auxiliary=True),
        Part("object_to_goal", 3, "m", "from the load to the goal", "world", goal=True),
        Part("goal_pos", 3, "m", "target position of the load", "world", goal=True, keypoint=True, auxiliary=True),
        goal_part(3),
    )

    def fit_team(self) -> None:
        """Choose the load, its ranges and the part with its size."""
        self.load = load_of(self.num_arms)
        self.bodies = (self.load.body,)
        self.draws = self.draws.replace(**self.load.draws)
        self.parts = tuple(self.load.size_part if part.name == "object_length" else part for part in self.parts)

    def props(self) -> tuple[Prop, ...]:
        """Table, two stands and the load."""
        return (Table(), *self.load.props())

    def contact_pairs(self) -> tuple[ContactPair, ...]:
        """Hands with the load; collisions of arms with table, stands and each other."""
        return (
            *self.grasps(self.load.body),
            *self.collisions("table", "stand_front", "stand_back"),
            *self.arm_collisions(),
        )

    def sample(self, d: Sample) -> InitialState:
        """Place stands and load, and derive the position of the goal."""
        n, load = len(d), self.load
        heights = np.stack([d.lower_height, d.taller_height], -1)
        heights = np.where(d.taller[:, None] == 1, heights, heights[:, ::-1])
        stand_pos = np.zeros((n, 2, 3))
        stand_pos[:, :, :2] = load.stand_xy
        stand_pos[:, :, 2] = heights
        on_stand = stand_pos[np.arange(n), np.minimum(d.goal, 1)] + (0, 0, load.rest)
        start = load.sample(d)
        rgba = np.array(list(SURFACE_COLORS.values()))[d.colors]
        return InitialState(
            body_pose={load.body: start.pose},
            fields={
                **start.fields,
                ("body_pos", "stand_front"): stand_pos[:, 0],
                ("body_pos", "stand_back"): stand_pos[:, 1],
                ("geom_rgba", "stand_front_block"): rgba[:, 0],
                ("geom_rgba", "stand_back_block"): rgba[:, 1],
            },
            facts={
                "goal_pos": np.where((d.goal == 2)[:, None], np.array(HOLD_POS), on_stand),
                "stand_pos": stand_pos,
                "colors": d.colors,
                "taller": d.taller,
                "expression": d.expression,
                **start.size,
            },
        )

    def instruction(self, facts: Arrays, world: int) -> str:
        """Name the stand by color, side or height, or ask to hold the load up."""
        goal, wording = int(facts["goal"][world]), float(facts["wording"][world])
        if goal == 2:
            return self.load.holding.choose(wording, self.split)
        which = self._names(facts, world)[int(facts["expression"][world])]
        return self.load.placing.choose(wording, self.split, which=which)

    def sentences(self, facts: Arrays, world: int) -> tuple[str, ...]:
        """All paraphrases with each name of the stand."""
        if int(facts["goal"][world]) == 2:
            return self.load.holding.every(self.split)
        names = self._names(facts, world)
        return tuple(sentence for which in names for sentence in self.load.placing.every(self.split, which=which))

    def _names(self, facts: Arrays, world: int) -> tuple[str, ...]:
        """Names of the goal's stand, in the order of the draw ``expression``."""
        goal = int(facts["goal"][world])
        names = {
            "color": COLOR_NAMES[int(facts["colors"][world, goal])],
            "side": SIDE_NAMES[goal],
            "height": HEIGHT_NAMES[int(facts["taller"][world] == goal)],
        }
        return tuple(names[expression] for expression in self.draws.options("expression"))

    def initial_memory(self, n: int) -> dict[str, np.ndarray]:
        """No fault has occurred."""
        return {fault: np.zeros(n, bool) for fault in self.load.faults}

    def update_memory(self, signals: Arrays) -> dict[str, Array]:
        """Faults since the load was last lifted off the table."""
        return {fault: signals[fault] for fault in self.load.faults}

    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """Pose of the load, grasp points, holds, errors and faults."""
        xp = array_namespace(world.joint_pos)
        pos, rot, load = world.body_pos[:, 0], world.body_rot[:, 0], self.load
        frame = load.frame(rot)
        rods = like(load.directions, pos) @ xp.matrix_transpose(frame[..., :2])
        reach = load.reach(facts)[:, None]
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
        goal = facts["goal"]
        to_goal = facts["goal_pos"] - pos
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
            "touching": world.contacts("grasp")[..., 0].any(-1),
            "to_goal": to_goal, "lateral": lateral, "tilt": tilt, "hold_goal": hold_goal,
            "on_goal": ~hold_goal & (lateral < 0.02) & (above < 0.005) & (tilt < 0.035) & ~spoiled,
        }  # fmt: skip

    def is_success(self, signals: Arrays) -> Array:
        """Level and released on the named stand; or held up level by all arms."""
        s = signals
        level = (s["tilt"] < 0.0873) & ~s["spoiled"]
        placed = (s["lateral"] < 0.04) & (abs(s["to_goal"][:, 2]) < 0.01) & ~s["touching"]
        held = (s["pos"][:, 2] > HOLD_HEIGHT) & s["all_hold"]
        xp = array_namespace(s["tilt"])
        return level & xp.where(s["hold_goal"], held, placed)

    def hold_steps(self, facts: Arrays) -> Array:
        """0.4 s on a stand, 1 s in the air."""
        xp = array_namespace(facts["goal"])
        return xp.where(facts["goal"] == 2, 25, 10)

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Reach, grasp, lift, keep level, approach the goal, release."""
        s = signals
        xp = array_namespace(s["tilt"])
        near = xp.where(s["hold_goal"] | s["on_goal"], 1.0, 0.0) * xp.exp(-5 * s["lateral"])
        # The height of the goal is enough, so that lowering the load onto a low stand does not cost reward.
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

    def is_cooperative(self, signals: Arrays) -> Array:
        """While all arms hold the load or it is off the table, until it lies on the goal."""
        s = signals
        return (s["all_hold"] | self._aloft(s) | (s["tilt"] > 0.0873)) & ~s["on_goal"]

    def roles(self, signals: Arrays) -> Array:
        """Every arm holds a load that is in the air, and holders keep it level to 5 degrees."""
        s = signals
        involved = s["holding"] | self._aloft(s)[:, None]
        level = (s["tilt"] < 0.0873)[:, None]
        return (s["holding"] & level) | ~involved | s["on_goal"][:, None]

    def _aloft(self, s: Arrays) -> Array:
        return s["pos"][:, 2] > self.load.rest + 0.02

    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """Load, stands and goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        goal = xp.astype(facts["goal"][:, None] == arange(3, world.joint_pos), world.joint_pos.dtype)
        return {
            "object_pos": s["pos"],
            "object_rot6d": rot6d(s["frame"]),
            "object_vel": world.body_vel[:, 0],
            self.load.size_part.name: self.load.size(facts)[:, None],
            "stand_pos": xp.reshape(facts["stand_pos"], (n, 6)),
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "object_to_goal": s["to_goal"],
            "goal_pos": facts["goal_pos"],
            "goal": goal,
        }
