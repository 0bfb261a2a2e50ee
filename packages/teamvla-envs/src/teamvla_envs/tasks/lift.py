"""Lift: two arms carry a crate-bar level to the stand that the sentence names, or hold it up."""

import numpy as np

from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.grasping import (
    downward_grasp,
    fingers_around,
    funnel,
    norm,
    rotation_error,
    smoothstep,
)
from teamvla_envs.control.kinematics import Chains
from teamvla_envs.geometry import clip_norm, rotation_about_z, wrap_angle
from teamvla_envs.scene.props import CrateBar, Prop, Stand, Table, crate_bar_inertia
from teamvla_envs.sim.base import WorldState
from teamvla_envs.tasks.base import Array, Arrays, Start, Task, ToolGoals, pick
from teamvla_envs.tasks.instructions import vocabulary
from teamvla_envs.tasks.lift_sentences import HOLD, PLACE

STAND_COLORS: dict[str, tuple[float, float, float, float]] = {
    "green": (0.10, 0.55, 0.20, 1.0),
    "pink": (0.95, 0.40, 0.62, 1.0),
    "white": (0.93, 0.93, 0.93, 1.0),
    "black": (0.08, 0.08, 0.09, 1.0),
}
COLOR_NAMES = tuple(STAND_COLORS)
# Ordered pairs (front stand, back stand) by index; those of the unseen split never occur in training.
_PAIRS = [(i, j) for i in range(4) for j in range(4) if i != j]
UNSEEN_PAIRS = [pair for pair in _PAIRS if set(pair) in ({0, 2}, {1, 3})]
TRAIN_PAIRS = [pair for pair in _PAIRS if pair not in UNSEEN_PAIRS]

THICKNESS, CRATE_HEIGHT = 0.03, 0.06  # [m]
GRASP_INSET = 0.035  # [m] from the bar's end to the grasp point
REST = CRATE_HEIGHT / 2  # [m] height of the bar's center above what it lies on
STAND_Y = 0.30  # [m] the stands are at (0, -STAND_Y), "front", and (0, +STAND_Y), "back"
HOLD_POS = (0.0, 0.0, 0.34)  # [m] where the expert holds the bar up
HOLD_HEIGHT = 0.27  # [m] from here on it counts as held up

EXPRESSIONS = ("color", "side", "height")
SIDE_NAMES, HEIGHT_NAMES = ("front", "back"), ("lower", "taller")


class Lift(Task):
    """Carry a crate-bar level, with both arms, to the stand that the sentence names; or hold it up.

    The middle of the bar is too wide for a gripper, and held at one end it tilts: it takes two arms. Two stands of
    different colors and heights, one in front and one at the back; the sentence names one by color, side or height,
    or asks to hold the bar up. Success is the bar lying level on the named stand with no finger touching it, or held
    level above 0.27 m by both arms.
    """

    name = "lift"
    goals = ("stand_front", "stand_back", "hold")
    phases = ("approach", "grasp", "carry", "place", "release", "done")
    bodies = ("bar",)
    draws = 12
    goal_parts = ("goal", "goal_pos", "goal_error")

    def props(self) -> tuple[Prop, ...]:
        """Table, two stands and the crate-bar."""
        return (
            Table(),
            Stand("stand_front", (0.0, -STAND_Y, 0.07)),
            Stand("stand_back", (0.0, STAND_Y, 0.12)),
            CrateBar(),
        )

    def contact_pairs(self) -> tuple[tuple[str, str], ...]:
        """Each hand with the bar; then what should not touch: each arm with table and stands, arms with one another."""
        arms = range(self.num_arms)
        return (
            *((f"arm_{k}/hand", "bar") for k in arms),
            *((f"arm_{k}/link2", other) for k in arms for other in ("table", "stand_front", "stand_back")),
            ("arm_0/base", "arm_1/base"),
        )

    def start(self, u: np.ndarray) -> Start:
        """Draw goal, colors, heights, and the bar's pose, length and mass."""
        if self.randomization == "none":
            u = np.concatenate([np.full((len(u), 5), 0.5), u[:, 5:]], axis=1)
        n = len(u)
        x, y = 0.06 * (2 * u[:, :2] - 1).T
        yaw = 0.6 * (2 * u[:, 2] - 1)
        length, mass = 0.40 + 0.30 * u[:, 3], 0.5 + 1.0 * u[:, 4]
        pose = np.stack([x, y, np.full(n, REST), np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], -1)
        pairs = np.array(TRAIN_PAIRS if self.split == "train" else UNSEEN_PAIRS)
        colors = pairs[pick(u[:, 5], len(pairs))]
        taller = pick(u[:, 6], 2)
        heights = np.stack([0.055 + 0.025 * u[:, 7], 0.11 + 0.03 * u[:, 8]], -1)
        heights = np.where(taller[:, None] == 1, heights, heights[:, ::-1])
        stand_pos = np.zeros((n, 2, 3))
        stand_pos[:, :, 1] = (-STAND_Y, STAND_Y)
        stand_pos[:, :, 2] = heights
        goal = pick(u[:, 9], 3)
        on_stand = stand_pos[np.arange(n), np.minimum(goal, 1)] + (0, 0, REST)
        _, inertia = crate_bar_inertia(length, mass)
        rod = np.stack([length / 2, np.full(n, THICKNESS / 2), np.full(n, THICKNESS / 2)], -1)
        rgba = np.array(list(STAND_COLORS.values()))[colors]
        return Start(
            body_pose={"bar": pose},
            fields={
                ("body_mass", "bar"): mass,
                ("body_inertia", "bar"): inertia,
                ("geom_size", "bar_rod"): rod,
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
                "expression": pick(u[:, 10], 3),
                "wording": u[:, 11],
                "length": length,
            },
        )

    def instruction(self, episode: Arrays, world: int) -> str:
        """Name the stand by color, side or height, or ask to hold the bar up."""
        goal, wording = int(episode["goal"][world]), float(episode["wording"][world])
        if goal == 2:
            return HOLD.choose(wording, self.split)
        which = self._names(episode, world)[int(episode["expression"][world])]
        return PLACE.choose(wording, self.split, which=which)

    def sentences(self, episode: Arrays, world: int) -> tuple[str, ...]:
        """All wordings; a stand in each of its three names."""
        if int(episode["goal"][world]) == 2:
            return HOLD.every(self.split)
        names = self._names(episode, world)
        return tuple(sentence for which in names for sentence in PLACE.every(self.split, which=which))

    def _names(self, episode: Arrays, world: int) -> tuple[str, str, str]:
        """The goal stand's color, side and height, in the order of ``EXPRESSIONS``."""
        goal = int(episode["goal"][world])
        color = COLOR_NAMES[int(episode["colors"][world, goal])]
        return color, SIDE_NAMES[goal], HEIGHT_NAMES[int(episode["taller"][world] == goal)]

    @classmethod
    def vocabulary(cls) -> tuple[str, ...]:
        """Templates and the words that fill them."""
        return vocabulary((PLACE, HOLD), (*COLOR_NAMES, *SIDE_NAMES, *HEIGHT_NAMES))

    def blank_memory(self, n: int) -> dict[str, np.ndarray]:
        """Nothing has tilted yet."""
        return {"tilted": np.zeros(n, bool)}

    def remember(self, signals: Arrays) -> dict[str, Array]:
        """Whether the bar tilted by more than 10 degrees since it was last lifted."""
        return {"tilted": signals["tilted"]}

    def signals(self, world: WorldState, episode: Arrays, memory: Arrays) -> dict[str, Array]:
        """Bar, grasp points, holds and errors; see the code for the definition of each."""
        xp = array_namespace(world.joint_pos)
        pos, rot = world.body_pos[:, 0], world.body_rot[:, 0]
        goal = episode["goal"]
        # The bar looks the same turned by 180 degrees: its axis is taken to point to the last arm's side (+x).
        flip = xp.where(rot[:, 0, 0] < 0, -1.0, 1.0)
        axis = rot[:, :, 0] * flip[:, None]
        side = xp.asarray([-1.0, 1.0], dtype=pos.dtype)
        reach = side[:, None] * axis[:, None, :] * (episode["length"] / 2 - GRASP_INSET)[:, None, None]
        offset = world.tool_pos - (pos[:, None] + reach)
        distance = norm(offset)
        opening = world.gripper_opening
        around = fingers_around(offset, axis[:, None, :])
        holding = around & (opening > THICKNESS - 0.006) & (opening < THICKNESS + 0.003)
        error = pos - episode["goal_pos"]
        lateral = xp.sqrt(error[:, 0] ** 2 + error[:, 1] ** 2)
        tilt = xp.acos(rot[:, 2, 2].clip(-1.0, 1.0))
        lying = (pos[:, 2] < REST + 0.005) & (tilt < 0.05)
        tilted = (memory["tilted"] | (tilt > 0.1745)) & ~lying
        return {
            "bar_pos": pos, "bar_axis": axis, "flip": flip, "offset": offset, "distance": distance,
            "opening": opening, "around": around, "holding": holding, "all_hold": xp.all(holding, axis=-1),
            "touching": xp.any(world.contact_count[:, : self.num_arms] > 0, axis=-1),
            "error": error, "lateral": lateral, "tilt": tilt, "tilted": tilted, "hold_goal": goal == 2,
            "on_goal": (goal != 2) & (lateral < 0.02) & (xp.abs(error[:, 2]) < 0.005) & (tilt < 0.035) & ~tilted,
        }  # fmt: skip

    def succeeds(self, signals: Arrays) -> Array:
        """On the named stand, level and let go; or held up level by both arms."""
        s = signals
        level = (s["tilt"] < 0.0873) & ~s["tilted"]
        placed = (s["lateral"] < 0.04) & (abs(s["error"][:, 2]) < 0.01) & ~s["touching"]
        held = (s["bar_pos"][:, 2] > HOLD_HEIGHT) & s["all_hold"]
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
        height = ((s["bar_pos"][:, 2] - REST) / (HOLD_HEIGHT - REST)).clip(0.0, 1.0)
        lifted = xp.where(s["on_goal"], 1.0, height)
        grasped = xp.where(s["on_goal"], 1.0, xp.mean(xp.astype(s["holding"], s["tilt"].dtype), axis=-1))
        reached = xp.where(s["on_goal"], 1.0, xp.mean(xp.exp(-4 * s["distance"]), axis=-1))
        distance = xp.sqrt(xp.sum(s["error"] ** 2, axis=-1))
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
        closing = xp.any(s["around"] & (s["opening"] < 0.07), axis=-1)
        over = ~s["hold_goal"] & (s["lateral"] < 0.03)
        carry = xp.where(over, 3, 2)
        working = xp.where(s["all_hold"], carry, xp.where(closing, 1, 0))
        resting = xp.where(s["touching"], 4, 5)
        return xp.where(s["on_goal"], resting, working)

    def state_parts(self, world: WorldState, episode: Arrays, signals: Arrays) -> dict[str, Array]:
        """Bar, stands and goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        rot = world.body_rot[:, 0]
        lateral_axis = rot[:, :, 1] * s["flip"][:, None]
        goal = xp.astype(episode["goal"][:, None] == xp.arange(3), world.joint_pos.dtype)
        return {
            "object_pos": s["bar_pos"],
            "object_rot6d": xp.concat([s["bar_axis"], lateral_axis], axis=-1),
            "object_vel": world.body_vel[:, 0],
            "object_length": episode["length"][:, None],
            "stand_pos": xp.reshape(episode["stand_pos"], (n, 6)),
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "goal_error": s["error"],
            "goal_pos": episode["goal_pos"],
            "goal": goal,
        }

    def tool_goals(self, world: WorldState, chains: Chains, episode: Arrays, signals: Arrays) -> ToolGoals:
        """Funnel down to the grasp points, carry the bar as one body, let go on the stand, rise."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, commanded = chains.frames(world.joint_target)
        _, natural = chains.frames(chains.rest[None])
        command = commanded[..., :3, 3]
        yaw = xp.atan2(s["bar_axis"][:, 1], s["bar_axis"][:, 0])
        hands = downward_grasp(yaw, natural)

        grasp_pos, speed, gripper = self._grasp(world, command, hands, s)
        carry_pos, carry_yaw = self._carry(world, command, yaw, episode, s)
        carry, leave = s["all_hold"] & ~s["on_goal"], s["on_goal"]
        free = s["opening"] > THICKNESS + 0.02
        rise = command + xp.asarray([0.0, 0.0, 0.02]) * xp.astype(free, command.dtype)[..., None]
        rise = xp.where((world.tool_pos[..., 2] < s["bar_pos"][:, None, 2] + 0.12)[..., None], rise, command)
        carrying, leaving = carry[:, None], leave[:, None]
        return ToolGoals(
            pos=xp.where(leaving[..., None], rise, xp.where(carrying[..., None], carry_pos, grasp_pos)),
            rot=xp.where(carrying[..., None, None], downward_grasp(carry_yaw, natural), hands),
            gripper=xp.where(leaving, 1.0, xp.where(carrying, -1.0, gripper)),
            speed=xp.where(carrying, 0.02, xp.where(leaving, 0.012, speed)),
            together=carry,
        )

    def _grasp(self, world: WorldState, command: Array, hands: Array, s: Arrays) -> tuple[Array, Array, Array]:
        """Tool positions, speeds and grippers on the way to a firm grasp of both ends."""
        xp = array_namespace(command)
        turn = rotation_error(hands, world.tool_rot)
        pos, speed, grip = funnel(
            command, world.tool_pos, s["offset"], turn, s["opening"], THICKNESS, s["around"], s["holding"]
        )
        # The hands close together, and a lone holder lets a lying bar go when its partner is far.
        partner = xp.max(xp.where(xp.eye(self.num_arms) > 0, 0.0, s["distance"][:, None, :]), axis=-1)
        lying = ((s["tilt"] < 0.02) & (s["bar_pos"][:, 2] < REST + 0.01))[:, None]
        grip = grip & xp.where(s["holding"], (partner < 0.08) | ~lying, partner < 0.05)
        # Until all hold, a holder keeps its end level with the center: neither lifted nor pressed down.
        level = (s["bar_pos"][:, None, 2] - world.tool_pos[..., 2]).clip(-0.006, 0.006)
        steady = xp.concat([command[..., :2], (command[..., 2] + level)[..., None]], axis=-1)
        return xp.where(s["holding"][..., None], steady, pos), speed, xp.where(grip, -1.0, 1.0)

    def _carry(self, world: WorldState, command: Array, yaw: Array, episode: Arrays, s: Arrays) -> tuple[Array, Array]:
        """Next commanded tool positions and yaw of a bar that is moved as one rigid body."""
        xp = array_namespace(command)
        turn = xp.matrix_transpose(rotation_about_z(yaw))
        arms = world.tool_pos - s["bar_pos"][:, None]
        offset = (turn[:, None] @ arms[..., None])[..., 0]
        # Take the bar's tilt out of the grasp offsets, so that the next pose is a level one.
        slope = s["bar_axis"][:, 2]
        offset = xp.concat([offset[..., :2], (offset[..., 2] - slope[:, None] * offset[..., 0])[..., None]], axis=-1)
        span, commanded_span = offset[:, 1] - offset[:, 0], command[:, 1] - command[:, 0]
        commanded_yaw = xp.atan2(commanded_span[:, 1], commanded_span[:, 0]) - xp.atan2(span[:, 1], span[:, 0])
        level = rotation_about_z(commanded_yaw)
        center = xp.mean(command - (level[:, None] @ offset[..., None])[..., 0], axis=1)

        # A bar that tilted too far must be laid on the table before it may be carried on.
        goal = xp.where(s["tilted"][:, None], xp.asarray([0.0, 0.0, REST]), episode["goal_pos"])
        way = s["bar_pos"][:, :2] - goal[:, :2]
        lateral = xp.sqrt(xp.sum(way * way, axis=-1))
        clearance = xp.max(episode["stand_pos"][:, :, 2], axis=-1) + 0.06 + REST
        hold = s["hold_goal"] & ~s["tilted"]
        needed = goal[:, 2] + xp.where(hold, 0.0, clearance - goal[:, 2]) * smoothstep((lateral - 0.012) / 0.06)
        free = smoothstep(1 - (xp.where(hold, 0.16, needed - 0.02) - s["bar_pos"][:, 2]) / 0.05)
        step_xy = clip_norm(goal[:, :2] - center[:, :2], (0.012 * free.clip(0.0))[:, None])
        gap = needed - center[:, 2]
        step_z = xp.maximum(gap, -(0.25 * xp.abs(gap) + 0.002).clip(None, 0.008)).clip(None, 0.010)
        turn_left = wrap_angle(-commanded_yaw, 2 * np.pi)
        next_yaw = commanded_yaw + turn_left.clip(-0.03, 0.03) * free
        center = center + xp.concat([step_xy, step_z[:, None]], axis=-1)
        return center[:, None] + (rotation_about_z(next_yaw)[:, None] @ offset[..., None])[..., 0], next_yaw
