"""Drawer: one arm holds a self-closing drawer open while the other puts the cube into it that the instruction names."""

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, like, stack_last
from teamvla_envs.control.grasping import norm
from teamvla_envs.geometry import wrap_angle
from teamvla_envs.scene.compose import ARM_COLORS, BASE_RADIUS
from teamvla_envs.scene.props import Cabinet, Cube, Prop, Table, box_inertia
from teamvla_envs.tasks.base import Array, Arrays, InitialState, Task
from teamvla_envs.tasks.colors import OBJECT_COLORS, SURFACE_COLORS
from teamvla_envs.tasks.drawer_expert import PULLED, DrawerExpert
from teamvla_envs.tasks.drawer_sentences import INTO, OPENER
from teamvla_envs.tasks.draws import Choice, Draws, Each, Pair, Sample, Uniform, Wording
from teamvla_envs.tasks.parts import Part, goal_part
from teamvla_envs.world import ContactPair, WorldState

CUBE_NAMES, FRONT_NAMES = tuple(OBJECT_COLORS), tuple(SURFACE_COLORS)
SIZE_NAMES, PLACE_NAMES, ARM_NAMES = ("smaller", "bigger"), ("bottom", "top"), tuple(ARM_COLORS)[:2]

CABINET = Cabinet()
FRONT_Y = CABINET.pos[1]  # [m]
CUBES = tuple(f"cube_{side}_{color}" for side in range(2) for color in range(2))
CUBE_X, CELL_Y = 0.20, (-0.26, -0.06)  # [m] centers of the areas in which the cubes of a side lie
SMALL, BIG = 0.030, 0.041  # [m] smallest edges of smaller and bigger cubes
OPEN, SHUT = 0.15, 0.02  # [m] a drawer counts as open, as shut
POST_GRASP = 0.02  # [m] above the middle of the post, so that the palm clears the roof
# Origins of the shut drawers, and the grasp points of their handles relative to them [m].
ORIGINS = np.array([CABINET.origin(drawer) for drawer in range(2)])
GRIPS = np.array([(handle.x, -handle.stand_off, handle.height + POST_GRASP) for handle in CABINET.handles])
DROP_X, DROP_Y = 0.05, 0.05  # [m] the point where the expert drops a cube: from the middle, behind the front


class Drawer(Task):
    """Put the cube that the instruction names into the drawer that it names.

    A cabinet has two drawers that springs pull shut. The handle of each is within reach of one arm only, so that arm
    must open its drawer and hold it while the other puts a cube into it; then the drawer is closed. On either side
    lie cubes of the same two colors; those of one color are bigger. The instruction names the cube (by color or size)
    and the drawer (by place, by color or by the arm that can open it). Success is a named cube, and none of the others,
    in the named drawer, both drawers shut, the named one having been open, and no finger touching cube or drawer.
    """

    name = "drawer"
    phases = ("approach", "pull", "pick", "carry", "place", "shut", "release", "done")
    bodies = CUBES
    joints = CABINET.joints
    expert = DrawerExpert
    cabinet = CABINET
    draws = Draws(
        cube=Each(
            4,
            x=Uniform(-0.05, 0.05, "m", scaled_by="poses", meaning="each cube, x from the center of its area"),
            y=Uniform(-0.045, 0.045, "m", scaled_by="poses", meaning="each cube, y from the center of its area"),
            yaw=Uniform(-np.pi / 4, np.pi / 4, "rad", scaled_by="poses", meaning="each cube, yaw"),
            extra=Uniform(
                0.0, 0.004, "m", scaled_by="sizes", held_out=True, limits=(0.0, 0.006),
                meaning=f"each cube, edge beyond {SMALL} m (smaller) or {BIG} m (bigger)",
            ),
            mass=Uniform(0.05, 0.20, "kg", scaled_by="masses", meaning="each cube, mass"),
        ),
        cubes=Pair(OBJECT_COLORS, "colors of the cubes"),
        fronts=Pair(SURFACE_COLORS, "colors of the bottom and the top drawer"),
        bigger=Choice("color_0", "color_1", meaning="color of the bigger cubes"),
        foremost=Choice("color_0", "color_1", meaning="color of the cubes in front, on the side of arm_0"),
        mirror=Choice("same", "mirrored", meaning="order of the cubes on the side of arm_1"),
        goal=Choice("bottom_color_0", "bottom_color_1", "top_color_0", "top_color_1"),
        cube_word=Choice("color", "size", meaning="how the instruction names the cube"),
        drawer_word=Choice("place", "color", "arm", meaning="how the instruction names the drawer"),
        wording=Wording(),
    )  # fmt: skip
    parts = (
        Part("object_pos", 3, "m", "center of the named cube", "world", goal=True, keypoint=True, auxiliary=True),
        Part("object_rot6d", 6, "", "two axes of that cube, nearest to the hand", "world", goal=True, auxiliary=True),
        Part("object_vel", 6, "m/s, rad/s", "its linear velocity in world axes, angular in its axes", goal=True,
             velocity=True),
        Part("object_size", 1, "m", "edge of the named cube", goal=True),
        Part("cube_pos", 12, "m", "centers of all cubes", "world"),
        Part("drawer_pos", 2, "m", "opening of each drawer, bottom then top"),
        Part("drawer_vel", 2, "m/s", "velocity of each drawer", velocity=True),
        Part("handle_pos", 3, "m", "grasp point of the named drawer's handle", "world", goal=True, keypoint=True),
        Part("tool_to_grasp", 3, "m", "from each tool to its grasp point", "world", per_arm=True, goal=True,
             auxiliary=True),
        Part("puller", 1, "", "one-hot: the arm on the side of the handle", per_arm=True, goal=True, indicator=True),
        Part("object_to_goal", 3, "m", "from the cube to the goal", "world", goal=True),
        Part("goal_pos", 3, "m", "where the cube should be released", "world", goal=True, keypoint=True,
             auxiliary=True),
        goal_part(4),
    )  # fmt: skip

    def props(self) -> tuple[Prop, ...]:
        """Table, cabinet and two cubes on each side."""
        places = [(side * CUBE_X, y, 0.019) for side in (-1, 1) for y in CELL_Y]
        return (Table(), CABINET, *(Cube(name, pos) for name, pos in zip(CUBES, places, strict=True)))

    def contact_pairs(self) -> tuple[ContactPair, ...]:
        """Hands with cubes and drawers; collisions of arms with table, cabinet and each other."""
        return (
            *self.grasps(*CUBES, *CABINET.drawers),
            *self.collisions("table", CABINET.name),
            *self.arm_collisions(),
        )

    def sample(self, d: Sample) -> InitialState:
        """Place the cubes and color cubes and drawers."""
        cube_color = np.where(d.foremost[:, None] == 1, d.cubes[:, ::-1], d.cubes)
        mirrored = d.reversed(d.cubes, d.mirror)
        zero = np.zeros(len(d))
        poses, fields, sizes = {}, {}, []
        for i, name in enumerate(CUBES):
            side, color = divmod(i, 2)
            cell = np.array(CELL_Y)[d.foremost ^ color ^ (mirrored if side else 0)]
            x, y, yaw = (2 * side - 1) * CUBE_X + d.cube_x[:, i], cell + d.cube_y[:, i], d.cube_yaw[:, i]
            size, mass = np.where(d.bigger == color, BIG, SMALL) + d.cube_extra[:, i], d.cube_mass[:, i]
            poses[name] = np.stack([x, y, size / 2, np.cos(yaw / 2), zero, zero, np.sin(yaw / 2)], -1)
            fields["body_mass", name] = mass
            fields["body_inertia", name] = box_inertia(mass, size, size, size)
            fields["geom_size", f"{name}_box"] = np.repeat(size[:, None] / 2, 3, axis=1)
            fields["geom_rgba", f"{name}_box"] = np.array(list(OBJECT_COLORS.values()))[cube_color[:, color]]
            sizes.append(size)
        for i, name in enumerate(CABINET.drawers):
            for part in ("front", "bracket", "post"):
                fields["geom_rgba", f"{name}_{part}"] = np.array(list(SURFACE_COLORS.values()))[d.fronts[:, i]]
        drawer, named = d.goal // 2, d.goal % 2
        return InitialState(
            body_pose=poses,
            fields=fields,
            facts={
                "drawer": drawer,
                "color": named,
                "target": 2 * (1 - drawer) + named,  # on the side of the arm that does not hold the drawer
                "size": np.stack(sizes, -1),
                "cube_color": cube_color,
                "front_color": d.fronts,
                "bigger": d.bigger,
                "cube_word": d.cube_word,
                "drawer_word": d.drawer_word,
            },
        )

    def instruction(self, facts: Arrays, world: int) -> str:
        """Name the cube by color or size, the drawer by place, by color or by the arm that opens it."""
        cubes, drawers, arm = self._names(facts, world)
        cube, wording = cubes[int(facts["cube_word"][world])], float(facts["wording"][world])
        way = int(facts["drawer_word"][world])
        if way == len(drawers):
            return OPENER.choose(wording, self.split, cube=cube, arm=arm)
        return INTO.choose(wording, self.split, cube=cube, drawer=drawers[way])

    def sentences(self, facts: Arrays, world: int) -> tuple[str, ...]:
        """All paraphrases with every name of the cube and of the drawer."""
        cubes, drawers, arm = self._names(facts, world)
        pairs = [(cube, drawer) for cube in cubes for drawer in drawers]
        into = (text for cube, drawer in pairs for text in INTO.every(self.split, cube=cube, drawer=drawer))
        return (*into, *(text for cube in cubes for text in OPENER.every(self.split, cube=cube, arm=arm)))

    def _names(self, facts: Arrays, world: int) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """Names of the goal's cube and drawer, and of the arm that opens the drawer."""
        drawer, color = divmod(int(facts["goal"][world]), 2)
        cubes = CUBE_NAMES[int(facts["cube_color"][world, color])], SIZE_NAMES[int(facts["bigger"][world] == color)]
        drawers = PLACE_NAMES[drawer], FRONT_NAMES[int(facts["front_color"][world, drawer])]
        return tuple(map(_a, cubes)), tuple(f"the {name} drawer" for name in drawers), ARM_NAMES[drawer]

    def initial_memory(self, n: int) -> dict[str, np.ndarray]:
        """The drawer has not been open."""
        return {"opened": np.zeros(n, bool)}

    def update_memory(self, signals: Arrays) -> dict[str, Array]:
        """Whether the named drawer has been open."""
        return {"opened": signals["opened"]}

    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """State of the named drawer and cube, contents of the drawer, and the grasp point of every arm."""
        xp = array_namespace(world.joint_pos)
        rows, arms = arange(world.joint_pos.shape[0], world.joint_pos), arange(self.num_arms, world.joint_pos)
        drawer, target = facts["drawer"], facts["target"]
        filler = 1 - drawer  # the bottom handle is on the side of arm_0, the top one on that of arm_1
        pulled, other = world.prop_joint_pos[rows, drawer], world.prop_joint_pos[rows, 1 - drawer]
        slid = stack_last(0 * pulled, -pulled, 0 * pulled)
        origin = like(ORIGINS, world.joint_pos)[drawer] + slid
        handle = origin + like(GRIPS, world.joint_pos)[drawer]

        local = world.body_pos - origin[:, None]
        width, depth, height = CABINET.size
        contained = (xp.abs(local[..., 0]) < width / 2) & (local[..., 1] > 0) & (local[..., 1] < depth)
        contained = contained & (local[..., 2] > 0) & (local[..., 2] < height)
        lying = contained & (local[..., 2] - facts["size"] / 2 < CABINET.wall + 0.018)
        named = arange(len(CUBES), drawer) % 2 == facts["color"][:, None]
        right = contained & named
        inside = right.any(-1) & ~(contained & ~named).any(-1)

        pos, rot = world.body_pos[rows, target], world.body_rot[rows, target]
        pulling = arms == drawer[:, None]
        pinch = xp.where(pulling[..., None], handle[:, None], pos[:, None])
        offset = world.tool_pos - pinch
        cube_size = facts["size"][rows, target]
        size = xp.where(pulling, CABINET.handles[0].width, cube_size[:, None])
        opening = world.gripper_opening
        firm = (opening > size - 0.006) & (opening < size + 0.003)
        slack = xp.where(pulling, 0.03, size / 2 + 0.01)
        holding = firm & (norm(offset[..., :2]) < 0.022) & (xp.abs(offset[..., 2]) < slack)

        cubes_touched = (world.contacts("grasp", CUBES) & right[:, None]).any(-1)
        touching = cubes_touched | world.contacts("grasp", CABINET.drawers)[rows, :, drawer]
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
        """Release point of the cube in the open drawer, on the filler's side, shape ``(N, 3)`` [m]."""
        xp = array_namespace(pulled)
        x = xp.where(drawer == 0, DROP_X, -DROP_X)
        y = FRONT_Y - pulled.clip(OPEN, CABINET.travel) + DROP_Y
        return stack_last(x, y, origin[:, 2] + CABINET.wall + cube_size / 2 + 0.004)

    def is_success(self, signals: Arrays) -> Array:
        """The named cube is in the named drawer, both drawers are shut, and no hand touches cube or drawer."""
        s = signals
        shut = (s["pulled"] < SHUT) & (s["other"] < SHUT / 2)
        return s["inside"] & s["opened"] & shut & ~s["touching"].any(-1)

    def hold_steps(self, facts: Arrays) -> Array:
        """0.4 s."""
        return 0 * facts["goal"] + 10

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Reach handle and cube, open the drawer, put the cube in, shut the drawer, release it."""
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
        """Inferred from holds, the opening of the drawer and the position of the cube."""
        s = signals
        xp = array_namespace(s["pulled"])
        waiting = xp.where(s["handle_held"], xp.where(s["pulled"] < OPEN, 1, 2), 0)
        working = xp.where(s["cube_held"], xp.where(s["lateral"] < 0.03, 4, 3), waiting)
        resting = xp.where(s["touching"].any(-1), 6, 7)
        return xp.where(s["placed"], xp.where(s["pulled"] < SHUT, resting, 5), working)

    def is_cooperative(self, signals: Arrays) -> Array:
        """From when the cube is held while the drawer is held, open or below it, until the drawer is shut."""
        s = signals
        both = s["cube_held"] & (s["handle_held"] | (s["pulled"] > SHUT) | (s["lateral"] < 0.03))
        return (both | s["placed"]) & ~(s["placed"] & (s["pulled"] < SHUT))

    def roles(self, signals: Arrays) -> Array:
        """The puller holds the open drawer until the cube is in; the filler waits next to it until it is open."""
        s = signals
        xp = array_namespace(s["pulled"])
        over = s["cube_held"] & (s["lateral"] < 0.03) & ~s["placed"]
        needed = (over | (s["pulled"] > SHUT)) & ~s["placed"]
        puller = s["handle_held"] | ~needed
        filler = ~over | (s["pulled"] >= OPEN)
        return xp.where(s["pulling"], puller[:, None], filler[:, None])

    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """The named cube in the orientation nearest to the hand, all cubes, both drawers, and the goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        rows, dtype = arange(n, world.joint_pos), world.joint_pos.dtype
        yaw = self.cube_yaw(world, s)
        cos, sin = xp.cos(yaw), xp.sin(yaw)
        zero = 0 * cos
        return {
            "object_pos": s["pos"],
            "object_rot6d": stack_last(cos, sin, zero, -sin, cos, zero),
            "object_vel": world.body_vel[rows, facts["target"]],
            "object_size": s["cube_size"][:, None],
            "cube_pos": xp.reshape(world.body_pos, (n, 12)),
            "drawer_pos": world.prop_joint_pos,
            "drawer_vel": world.prop_joint_vel,
            "handle_pos": s["handle"],
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "puller": xp.astype(s["pulling"], dtype),
            "object_to_goal": s["to_goal"],
            "goal_pos": s["drop"],
            "goal": xp.astype(facts["goal"][:, None] == arange(4, rows), dtype),
        }

    def cube_yaw(self, world: WorldState, s: Arrays) -> Array:
        """Yaw of the cube modulo 90 degrees that suits the hand, shape ``(N,)`` [rad]."""
        xp = array_namespace(world.tool_pos)
        rows, filler = arange(world.tool_pos.shape[0], world.tool_pos), s["filler"]
        # The most horizontal axis of the cube gives its yaw, whichever face it lies on.
        flat = xp.argmin(xp.abs(s["rot"][:, 2, :]), axis=-1)
        axis = s["rot"][rows, :, flat]
        base = like((-BASE_RADIUS, BASE_RADIUS), axis)[filler]
        ahead = xp.atan2(s["pos"][:, 1], s["pos"][:, 0] - base)
        # In front of the cabinet the palm is parallel to it; next to another cube the fingers do not open towards it.
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


def _a(adjective: str) -> str:
    return f"an {adjective} cube" if adjective[0] in "aeiou" else f"a {adjective} cube"
