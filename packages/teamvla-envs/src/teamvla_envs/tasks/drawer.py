"""Drawer: one arm holds a drawer open that shuts by itself, the other puts the cube into it that the sentence names."""

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, like, stack_last
from teamvla_envs.control.grasping import fingers_around, funnel, norm, rotation_error, smoothstep
from teamvla_envs.geometry import clip_norm, rotation_about_z, wrap_angle
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import ARM_COLORS, BASE_RADIUS
from teamvla_envs.scene.props import Cabinet, Cube, Prop, Table, box_inertia
from teamvla_envs.tasks.base import Array, Arrays, Start, Task, ToolGoals, pick
from teamvla_envs.tasks.drawer_sentences import INTO, OPENER
from teamvla_envs.tasks.instructions import vocabulary
from teamvla_envs.world import WorldState

CUBE_COLORS = {
    "yellow": (0.95, 0.78, 0.12, 1.0),
    "orange": (0.92, 0.45, 0.10, 1.0),
    "cyan": (0.15, 0.75, 0.85, 1.0),
    "brown": (0.42, 0.26, 0.13, 1.0),
}
FRONT_COLORS = {
    "green": (0.10, 0.55, 0.20, 1.0),
    "pink": (0.95, 0.40, 0.62, 1.0),
    "white": (0.93, 0.93, 0.93, 1.0),
    "black": (0.08, 0.08, 0.09, 1.0),
}
CUBE_NAMES, FRONT_NAMES = tuple(CUBE_COLORS), tuple(FRONT_COLORS)
SIZE_NAMES, PLACE_NAMES, ARM_NAMES = ("smaller", "bigger"), ("bottom", "top"), tuple(ARM_COLORS)[:2]

CABINET = Cabinet()
FRONT_Y = CABINET.pos[1]  # [m]
CUBES = tuple(f"cube_{side}_{color}" for side in range(2) for color in range(2))
CUBE_X, CELL_Y = 0.20, (-0.26, -0.06)  # [m] the cubes of a side lie around these places
SMALL, BIG = (0.030, 0.004), (0.041, 0.004)  # [m] smallest edge of a cube, spread
OPEN, SHUT = 0.15, 0.02  # [m] a drawer counts as open, as shut
PULLED = 0.17  # [m] how far the expert pulls
POST_GRASP = 0.02  # [m] above the middle of the post, so that the palm clears the roof
# Of each shut drawer its origin, and from there where its handle is held [m].
ORIGINS = np.array([CABINET.origin(drawer) for drawer in range(2)])
GRIPS = np.array([(handle.x, -handle.stand_off, handle.height + POST_GRASP) for handle in CABINET.handles])
DROP_X, DROP_Y = 0.05, 0.05  # [m] where the expert drops a cube: from the middle, behind the front
WAIT = (0.30, -0.05, 0.40)  # [m] where an arm that is done waits, on its own side


class Drawer(Task):
    """Put the cube that the sentence names into the drawer that it names.

    A cabinet has two drawers that springs pull shut. The handle of each is within reach of one arm only, so that arm
    must open its drawer and hold it while the other puts a cube into it; then the drawer is closed. On either side
    lie cubes of the same two colors; those of one color are bigger. The sentence says which cube (by color or size)
    and which drawer (by place, by color or by whose handle it has). Success is a named cube, and none of the others,
    in the named drawer, both drawers shut, the named one having been open, and no finger touching cube or drawer.
    """

    name = "drawer"
    goals = ("bottom_color_0", "bottom_color_1", "top_color_0", "top_color_1")
    phases = ("approach", "pull", "pick", "carry", "place", "shut", "release", "done")
    bodies = CUBES
    joints = CABINET.joints
    draws = 29
    goal_draw = 25
    pose_draws = tuple(5 * cube + k for cube in range(4) for k in range(3))
    size_draws, mass_draws = tuple(5 * cube + 3 for cube in range(4)), tuple(5 * cube + 4 for cube in range(4))
    goal_parts = (
        "goal", "goal_pos", "object_to_goal", "object_pos", "object_rot6d", "object_vel", "object_size", "handle_pos",
        "tool_to_grasp", "puller",
    )  # fmt: skip
    indicators = ("goal", "puller")

    def props(self) -> tuple[Prop, ...]:
        """Table, cabinet and two cubes on each side."""
        places = [(side * CUBE_X, y, 0.019) for side in (-1, 1) for y in CELL_Y]
        return (Table(), CABINET, *(Cube(name, pos) for name, pos in zip(CUBES, places, strict=True)))

    def contact_pairs(self) -> tuple[tuple[str, str], ...]:
        """Each hand with each cube and drawer; then what should not touch: arms with table, cabinet, one another."""
        arms = range(self.num_arms)
        return (
            *((f"arm_{k}/hand", thing) for thing in (*CUBES, *CABINET.drawers) for k in arms),
            *((f"arm_{k}/upper_arm", other) for k in arms for other in ("table", CABINET.name)),
            ("arm_0/base", "arm_1/base"),
        )

    def place(self, u: np.ndarray) -> Start:
        """Draw goal, colors, and the places, sizes and masses of the cubes."""
        n = len(u)
        by_place, front_color = self.draw_pairs(u[:, 20]), self.draw_pairs(u[:, 21])
        bigger, foremost = pick(u[:, 22], 2), pick(u[:, 23], 2)
        cube_color = np.where(foremost[:, None] == 1, by_place[:, ::-1], by_place)
        mirrored = self.draw_mirrored(by_place, u[:, 24])
        poses, fields, sizes = {}, {}, []
        for i, name in enumerate(CUBES):
            a, (side, color) = u[:, 5 * i : 5 * i + 5], divmod(i, 2)
            cell = np.array(CELL_Y)[foremost ^ color ^ (mirrored if side else 0)]
            x = (2 * side - 1) * CUBE_X + 0.05 * (2 * a[:, 0] - 1)
            y = cell + 0.045 * (2 * a[:, 1] - 1)
            yaw = np.pi / 2 * (a[:, 2] - 0.5)
            low, spread = np.where(bigger == color, np.array(BIG)[:, None], np.array(SMALL)[:, None])
            size, mass = low + spread * a[:, 3], 0.05 + 0.15 * a[:, 4]
            zero = np.zeros(n)
            poses[name] = np.stack([x, y, size / 2, np.cos(yaw / 2), zero, zero, np.sin(yaw / 2)], -1)
            fields["body_mass", name] = mass
            fields["body_inertia", name] = box_inertia(mass, size, size, size)
            fields["geom_size", f"{name}_box"] = np.repeat(size[:, None] / 2, 3, axis=1)
            fields["geom_rgba", f"{name}_box"] = np.array(list(CUBE_COLORS.values()))[cube_color[:, color]]
            sizes.append(size)
        for i, name in enumerate(CABINET.drawers):
            for part in ("front", "bracket", "post"):
                fields["geom_rgba", f"{name}_{part}"] = np.array(list(FRONT_COLORS.values()))[front_color[:, i]]
        goal = pick(u[:, 25], 4)
        drawer, named = goal // 2, goal % 2
        return Start(
            body_pose=poses,
            fields=fields,
            episode={
                "goal": goal,
                "drawer": drawer,
                "color": named,
                "target": 2 * (1 - drawer) + named,  # on the side of the arm that does not hold the drawer
                "size": np.stack(sizes, -1),
                "cube_color": cube_color,
                "front_color": front_color,
                "bigger": bigger,
                "cube_word": pick(u[:, 26], 2),
                "drawer_word": pick(u[:, 27], 3),
                "wording": u[:, 28],
            },
        )

    def instruction(self, episode: Arrays, world: int) -> str:
        """Name the cube by color or size, the drawer by place, by color or by the arm that opens it."""
        cubes, drawers, arm = self._names(episode, world)
        cube, wording = cubes[int(episode["cube_word"][world])], float(episode["wording"][world])
        way = int(episode["drawer_word"][world])
        if way == len(drawers):
            return OPENER.choose(wording, self.split, cube=cube, arm=arm)
        return INTO.choose(wording, self.split, cube=cube, drawer=drawers[way])

    def sentences(self, episode: Arrays, world: int) -> tuple[str, ...]:
        """All wordings with every name of the cube and of the drawer."""
        cubes, drawers, arm = self._names(episode, world)
        pairs = [(cube, drawer) for cube in cubes for drawer in drawers]
        into = (told for cube, drawer in pairs for told in INTO.every(self.split, cube=cube, drawer=drawer))
        return (*into, *(told for cube in cubes for told in OPENER.every(self.split, cube=cube, arm=arm)))

    def _names(self, episode: Arrays, world: int) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """What the goal's cube and drawer can be called, and the arm that opens the drawer."""
        drawer, color = divmod(int(episode["goal"][world]), 2)
        cubes = CUBE_NAMES[int(episode["cube_color"][world, color])], SIZE_NAMES[int(episode["bigger"][world] == color)]
        drawers = PLACE_NAMES[drawer], FRONT_NAMES[int(episode["front_color"][world, drawer])]
        return tuple(map(_a, cubes)), tuple(f"the {name} drawer" for name in drawers), ARM_NAMES[drawer]

    @classmethod
    def vocabulary(cls) -> tuple[str, ...]:
        """Templates and the words that fill them."""
        cubes = [_a(name) for name in (*CUBE_NAMES, *SIZE_NAMES)]
        drawers = [f"the {name} drawer" for name in (*PLACE_NAMES, *FRONT_NAMES)]
        return vocabulary((INTO, OPENER), (*cubes, *drawers, *ARM_NAMES))

    def blank_memory(self, n: int) -> dict[str, np.ndarray]:
        """The drawer was not open yet."""
        return {"opened": np.zeros(n, bool)}

    def remember(self, signals: Arrays) -> dict[str, Array]:
        """Whether the named drawer has been open."""
        return {"opened": signals["opened"]}

    def signals(self, world: WorldState, episode: Arrays, memory: Arrays) -> dict[str, Array]:
        """The named drawer and cube, what lies in the drawer, and the grasp point of every arm."""
        xp = array_namespace(world.joint_pos)
        rows, arms = arange(world.joint_pos.shape[0], world.joint_pos), arange(self.num_arms, world.joint_pos)
        drawer, target = episode["drawer"], episode["target"]
        filler = 1 - drawer  # the bottom handle is on the side of arm_0, the top one on that of arm_1
        pulled, other = world.prop_joint_pos[rows, drawer], world.prop_joint_pos[rows, 1 - drawer]
        slid = stack_last(0 * pulled, -pulled, 0 * pulled)
        origin = like(ORIGINS, world.joint_pos)[drawer] + slid
        handle = origin + like(GRIPS, world.joint_pos)[drawer]

        local = world.body_pos - origin[:, None]
        width, depth, height = CABINET.size
        contained = (xp.abs(local[..., 0]) < width / 2) & (local[..., 1] > 0) & (local[..., 1] < depth)
        contained = contained & (local[..., 2] > 0) & (local[..., 2] < height)
        lying = contained & (local[..., 2] - episode["size"] / 2 < CABINET.wall + 0.018)
        named = arange(len(CUBES), drawer) % 2 == episode["color"][:, None]
        right = contained & named
        inside = right.any(-1) & ~(contained & ~named).any(-1)

        pos, rot = world.body_pos[rows, target], world.body_rot[rows, target]
        pulling = arms == drawer[:, None]
        pinch = xp.where(pulling[..., None], handle[:, None], pos[:, None])
        offset = world.tool_pos - pinch
        cube_size = episode["size"][rows, target]
        size = xp.where(pulling, CABINET.handles[0].width, cube_size[:, None])
        opening = world.gripper_opening
        firm = (opening > size - 0.006) & (opening < size + 0.003)
        slack = xp.where(pulling, 0.03, size / 2 + 0.01)
        holding = firm & (norm(offset[..., :2]) < 0.022) & (xp.abs(offset[..., 2]) < slack)

        touches = xp.reshape(world.contact_count[:, : 6 * self.num_arms] > 0, (-1, 6, self.num_arms))
        cubes_touched = (touches[:, :4] & right[..., None]).any(1)
        touching = cubes_touched | touches[rows, 4 + drawer]
        drop = self._drop(drawer, origin, pulled, cube_size)
        return {
            "pulled": pulled, "other": other, "opened": memory["opened"] | (pulled >= OPEN), "origin": origin,
            "handle": handle, "pos": pos, "rot": rot, "cube_size": cube_size, "size": size, "pulling": pulling,
            "filler": filler, "pinch": pinch, "offset": offset, "distance": norm(offset), "opening": opening,
            "holding": holding, "handle_held": (holding & pulling).any(-1),
            "cube_held": (holding & ~pulling).any(-1), "touching": touching, "inside": inside,
            "placed": (lying & named).any(-1), "drop": drop, "to_goal": drop - pos,
            "lateral": norm(pos[:, :2] - drop[:, :2]),
        }  # fmt: skip

    def _drop(self, drawer: Array, origin: Array, pulled: Array, cube_size: Array) -> Array:
        """Where the cube should be let go, in the open drawer on the filler's side, shape ``(N, 3)``."""
        xp = array_namespace(pulled)
        x = xp.where(drawer == 0, DROP_X, -DROP_X)
        y = FRONT_Y - pulled.clip(OPEN, CABINET.travel) + DROP_Y
        return stack_last(x, y, origin[:, 2] + CABINET.wall + cube_size / 2 + 0.004)

    def succeeds(self, signals: Arrays) -> Array:
        """The named cube is in the named drawer, both are shut, and nobody touches cube or drawer."""
        s = signals
        shut = (s["pulled"] < SHUT) & (s["other"] < SHUT / 2)
        return s["inside"] & s["opened"] & shut & ~s["touching"].any(-1)

    def hold_steps(self, episode: Arrays) -> Array:
        """0.4 s."""
        return 0 * episode["goal"] + 10

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Handle and cube are reached, the drawer opens, the cube gets into it, the drawer is shut and let go."""
        s = signals
        xp = array_namespace(s["pulled"])
        done, held = s["placed"], xp.where(s["cube_held"], 1.0, 0.0)
        shut = xp.where(done, 1 - (s["pulled"] / PULLED).clip(0.0, 1.0), 0.0)
        free = done & (s["pulled"] < SHUT) & ~s["touching"].any(-1)
        return {
            "reach": (0.10, xp.where(done, 1.0, xp.exp(-4 * s["distance"]).sum(-1) / self.num_arms)),
            "open": (0.15, xp.where(done, 1.0, (s["pulled"] / OPEN).clip(0.0, 1.0))),
            "grasp": (0.15, xp.where(done, 1.0, held)),
            "carry": (0.15, xp.where(done, 1.0, held * xp.exp(-4 * norm(s["to_goal"])))),
            "place": (0.15, xp.where(done, 1.0, 0.0)),
            "shut": (0.15, shut),
            "release": (0.15, xp.where(free, 1.0, 0.0)),
        }

    def phase(self, signals: Arrays) -> Array:
        """Inferred from what is held, how far the drawer is open and where the cube is."""
        s = signals
        xp = array_namespace(s["pulled"])
        waiting = xp.where(s["handle_held"], xp.where(s["pulled"] < OPEN, 1, 2), 0)
        working = xp.where(s["cube_held"], xp.where(s["lateral"] < 0.03, 4, 3), waiting)
        resting = xp.where(s["touching"].any(-1), 6, 7)
        return xp.where(s["placed"], xp.where(s["pulled"] < SHUT, resting, 5), working)

    def joint_work(self, signals: Arrays) -> Array:
        """While the cube is held and so is the drawer, or is open, or has the cube over it; until it is shut again."""
        s = signals
        both = s["cube_held"] & (s["handle_held"] | (s["pulled"] > SHUT) | (s["lateral"] < 0.03))
        return (both | s["placed"]) & ~(s["placed"] & (s["pulled"] < SHUT))

    def roles(self, signals: Arrays) -> Array:
        """One arm holds what is open until the cube is in; the other waits beside it with the cube until it is open."""
        s = signals
        xp = array_namespace(s["pulled"])
        over = s["cube_held"] & (s["lateral"] < 0.03) & ~s["placed"]
        needed = (over | (s["pulled"] > SHUT)) & ~s["placed"]
        puller = s["handle_held"] | ~needed
        filler = ~over | (s["pulled"] >= OPEN)
        return xp.where(s["pulling"], puller[:, None], filler[:, None])

    def state_parts(self, world: WorldState, episode: Arrays, signals: Arrays) -> dict[str, Array]:
        """The named cube in the pose nearest to the hand, all cubes, both drawers, and the goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        rows, dtype = arange(n, world.joint_pos), world.joint_pos.dtype
        yaw = self._cube_yaw(world, s)
        cos, sin = xp.cos(yaw), xp.sin(yaw)
        zero = 0 * cos
        return {
            "object_pos": s["pos"],
            "object_rot6d": stack_last(cos, sin, zero, -sin, cos, zero),
            "object_vel": world.body_vel[rows, episode["target"]],
            "object_size": s["cube_size"][:, None],
            "cube_pos": xp.reshape(world.body_pos, (n, 12)),
            "drawer_pos": world.prop_joint_pos,
            "drawer_vel": world.prop_joint_vel,
            "handle_pos": s["handle"],
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "puller": xp.astype(s["pulling"], dtype),
            "object_to_goal": s["to_goal"],
            "goal_pos": s["drop"],
            "goal": xp.astype(episode["goal"][:, None] == arange(4, rows), dtype),
        }

    def _cube_yaw(self, world: WorldState, s: Arrays) -> Array:
        """Yaw of the cube modulo 90 degrees that suits the hand, shape ``(N,)`` [rad]."""
        xp = array_namespace(world.tool_pos)
        rows, filler = arange(world.tool_pos.shape[0], world.tool_pos), s["filler"]
        # Of the cube's axes the flattest tells its yaw, whichever face it lies on.
        flat = xp.argmin(xp.abs(s["rot"][:, 2, :]), axis=-1)
        axis = s["rot"][rows, :, flat]
        base = like((-BASE_RADIUS, BASE_RADIUS), axis)[filler]
        ahead = xp.atan2(s["pos"][:, 1], s["pos"][:, 0] - base)
        # In front of the cabinet the palm lies along it, and beside another cube the fingers do not open towards that.
        ahead = xp.where(s["pos"][:, 1] > 0.04, np.pi / 2, ahead)
        way = world.body_pos[..., :2] - s["pos"][:, None, :2]
        gap = norm(way)
        gap = xp.where(gap > 0, gap, 1.0)
        way = way[rows, xp.argmin(gap, axis=-1)]
        along = ahead + wrap_angle(xp.atan2(way[:, 1], way[:, 0]) - ahead, np.pi)
        ahead = xp.where(xp.min(gap, axis=-1) < 0.085, along, ahead)
        hand = world.tool_rot[rows, filler, :, 0]
        near = norm(s["offset"][rows, filler]) < 0.06
        wanted = xp.where(near, xp.atan2(hand[:, 1], hand[:, 0]), ahead)
        return wanted + wrap_angle(xp.atan2(axis[:, 1], axis[:, 0]) - wanted, np.pi / 2)

    def tool_goals(self, world: WorldState, chains: Chains, episode: Arrays, signals: Arrays) -> ToolGoals:
        """The puller opens the drawer and holds it, the filler brings the cube; then the puller shuts it."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, tools = chains.frames(world.joint_target)
        command = tools[..., :3, 3]
        pulling, holding, placed = s["pulling"], s["holding"], s["placed"][:, None]
        heading = like((0.0, np.pi), command)
        grasp_yaw = xp.where(pulling, heading, self._cube_yaw(world, s)[:, None])
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
        # What is being opened stays so: the way the gripper goes decides when in doubt.
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
        """Tool positions that move a held handle: out, and in again once cube and filler are where they should be."""
        xp = array_namespace(command)
        over = s["origin"][:, 2] + CABINET.size[2] + 0.05
        gone = xp.all(s["pulling"] | (world.tool_pos[..., 2] > over[:, None]), axis=-1)
        # A cube that fell down beside the open drawer can be picked only with the drawer out of the way.
        x, y = xp.abs(s["pos"][:, 0]), s["pos"][:, 1]
        fallen = xp.where(s["cube_held"] | s["placed"], 0.0, smoothstep(y / 0.03) * smoothstep((0.22 - x) / 0.03))
        wanted = xp.where(s["placed"] & gone, -0.005, PULLED * (1 - fallen))
        way = s["pinch"] - command
        along = way[..., 1] + (s["pulled"] - wanted)[:, None]
        step = (0.4 * way).clip(-0.01, 0.01)
        return command + xp.stack([step[..., 0], along.clip(-0.011, 0.011), step[..., 2]], axis=-1)

    def _carry(self, world: WorldState, command: Array, s: Arrays) -> tuple[Array, Array]:
        """Tool positions that bring a held cube over the open drawer and down into it; how far the hand may turn."""
        xp = array_namespace(command)
        drop, pos = s["drop"], s["pos"]
        rows = arange(drop.shape[0], drop)
        across = xp.abs(world.tool_rot[rows, s["filler"], 1, 0])  # 1: the fingers open along the drawer
        # Until the drawer is out and the hand is turned, the cube waits beside it.
        beside = 1 - smoothstep((s["pulled"] - 0.08) / 0.06) * smoothstep((across - 0.7) / 0.25)
        side = xp.sign(drop[:, 0])
        goal = drop[:, :2] + beside[:, None] * xp.stack([0.10 * side, -0.10 + 0 * side], axis=-1)
        ready = xp.where(s["handle_held"], smoothstep((s["pulled"] - 0.13) / 0.02), 0.0)
        half = s["cube_size"] / 2
        safe = s["origin"][:, 2] + CABINET.size[2] + 0.03 + half
        share = xp.maximum(smoothstep((s["lateral"] - 0.008) / 0.05), 1 - ready)
        needed = drop[:, 2] + (safe - drop[:, 2]) * share
        free = smoothstep(1 - (needed - 0.02 - pos[:, 2]) / 0.05)
        hang = (world.tool_pos - pos[:, None]).clip(-0.03, 0.03)
        target = xp.concat([goal, needed[:, None]], axis=-1)[:, None] + hang
        return _step(command, target, 0.013 * free[:, None]), smoothstep((pos[:, 2] - half) / 0.06)[:, None]

    def _leave(self, world: WorldState, command: Array, s: Arrays) -> tuple[Array, Array]:
        """Tool positions of arms that are done: up, then to their waiting places; 1 where they are high enough."""
        xp = array_namespace(command)
        wait = like(((-WAIT[0], *WAIT[1:]), WAIT), command)
        clear = smoothstep((world.tool_pos[..., 2] - s["origin"][:, None, 2] - 0.13) / 0.04)
        # What was let go stays between the fingers until they are above it.
        left = xp.where(s["pulling"][..., None], s["handle"][:, None], s["drop"][:, None])
        beside = (1 - clear) * smoothstep(2 - norm((left - command)[..., :2]) / 0.03)
        target = wait + (left - wait) * beside[..., None]
        target = xp.concat([target[..., :2], (wait + 0 * command)[..., 2:]], axis=-1)
        opened = smoothstep((s["opening"] - s["size"] - 0.006) / 0.012)
        step = _step(command, target, 0.016 * clear + 0.004 * beside) - command
        return command + opened[..., None] * step, clear


def _a(adjective: str) -> str:
    return f"an {adjective} cube" if adjective[0] in "aeiou" else f"a {adjective} cube"


def _hands(yaw: Array) -> Array:
    """Tool orientations that point down, x at ``yaw`` [rad] ``(...)`` from the world's, shape ``(..., 3, 3)``."""
    return rotation_about_z(yaw) @ like(np.diag([1.0, -1.0, -1.0]), yaw)


def _turned(rot: Array, yaw: Array, rate: Array, wrist: Array, chains: Chains) -> Array:
    """The next of tool orientations ``(N, A, 3, 3)`` that turn to ``yaw`` and point down, at a share of full speed.

    They turn the short way, unless the last joint, at ``wrist`` ``(N, A)`` [rad], has its limit there.
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
