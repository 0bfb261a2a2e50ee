"""Handoff: one arm picks a stick and passes it on in mid-air; the last arm lays it on the pad that is named."""

from functools import cached_property

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, dot, like, stack_last
from teamvla_envs.control.grasping import norm
from teamvla_envs.scene.compose import ARM_COLORS, BASE_RADIUS
from teamvla_envs.scene.props import Pad, Prop, Stick, Table, box_inertia
from teamvla_envs.tasks.base import Array, Arrays, InitialState, Task
from teamvla_envs.tasks.colors import OBJECT_COLORS, SURFACE_COLORS
from teamvla_envs.tasks.draws import Choice, Draws, Each, Pair, Reserved, Sample, Uniform, Wording
from teamvla_envs.tasks.handoff_expert import GRASP_INSET, MEETING, HandoffExpert
from teamvla_envs.tasks.handoff_sentences import PASS, RELAY
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.parts import Part, goal_part
from teamvla_envs.world import ContactPair, WorldState

PAD_NAMES, STICK_NAMES, ARM_NAMES = tuple(SURFACE_COLORS), tuple(OBJECT_COLORS), tuple(ARM_COLORS)
SIDE_NAMES = ("front", "back")

LAID = 0.02  # [m] a stick that is released slowly below this height counts as laid down
PAD_REACH, PAD_ASIDE = 0.43, 0.26  # [m] a pad in the frame of the arm that serves it
STICK_REACH = 0.44  # [m] nominal distance of a stick from the base of its arm


class Handoff(Task):
    """Pass a stick from arm to arm in mid-air and lay it on the pad that the instruction names.

    Two sticks lie in front of two arms, out of the others' reach; two pads lie in front of the last arm of each relay,
    out of the giver's reach. The instruction names the stick (by color or by its arm) and the pad (by color or side).
    With more than two arms the stick goes around the table, and the instruction names the last arm. Success is the
    stick lying on the named pad with no finger touching it, after every hand has held it alone, and laid down rather
    than dropped: the last hand released it slowly, less than 2 cm above the table.
    """

    name = "handoff"
    phases = ("approach", "grasp", "lift", "meet", "transfer", "place", "release", "done")
    bodies = ("stick_0", "stick_1")
    arm_counts = (2, 3, 4)
    expert = HandoffExpert
    draws = Draws(
        stick=Each(
            2,
            ahead=Uniform(
                -0.07, 0.07, "m", scaled_by="poses",
                meaning=f"each stick, distance from its arm's base beyond {STICK_REACH} m",
            ),
            # beyond this range a stick could lie on a pad
            aside=Uniform(-0.07, 0.07, "m", scaled_by="poses", meaning="each stick, offset across its arm's heading"),
            yaw=Uniform(0.0, np.pi, "rad", scaled_by="poses", meaning="each stick, yaw"),
            length=Uniform(
                0.15, 0.20, "m", scaled_by="sizes", held_out=True, meaning="each stick, length", limits=(0.12, 0.25)
            ),
            width=Uniform(
                0.025, 0.045, "m", scaled_by="sizes", held_out=True, meaning="each stick, width and height",
                limits=(0.015, 0.06),
            ),
            mass=Uniform(0.05, 0.30, "kg", scaled_by="masses", meaning="each stick, mass"),
        ),
        pads=Pair(SURFACE_COLORS, "colors of the pads of stick 0"),
        sticks=Pair(OBJECT_COLORS, "colors of the sticks"),
        mirror=Choice("same", "mirrored", meaning="order of the pads of stick 1"),
        goal=Choice("stick_0_pad_0", "stick_0_pad_1", "stick_1_pad_0", "stick_1_pad_1"),
        stick_word=Choice("color", "arm", meaning="how the instruction names the stick"),
        pad_word=Choice("color", "side", meaning="how the instruction names the pad"),
        wording=Wording(),
        reserved=Reserved(),
    )  # fmt: skip
    parts = (
        Part("object_pos", 3, "m", "center of the named stick", "world", goal=True, keypoint=True, auxiliary=True),
        Part("object_rot6d", 6, "", "two axes of that stick, the same for equivalent poses", "world", goal=True,
             auxiliary=True),
        Part("object_vel", 6, "m/s, rad/s", "its linear velocity in world axes, angular in its axes", goal=True,
             velocity=True),
        Part("object_size", 2, "m", "length and width of the named stick", goal=True),
        Part("stick_pos", 6, "m", "centers of both sticks", "world"),
        Part("tool_to_grasp", 3, "m", "from each tool to its grasp point", "world", per_arm=True, goal=True,
             auxiliary=True),
        Part("lead", 1, "", "one-hot: the arm whose turn it is", per_arm=True, goal=True, indicator=True),
        Part("object_to_goal", 3, "m", "from the stick to the goal", "world", goal=True),
        Part("goal_pos", 3, "m", "target position of the stick", "world", goal=True, keypoint=True, auxiliary=True),
        goal_part(4),
    )  # fmt: skip

    def props(self) -> tuple[Prop, ...]:
        """Table, two sticks and the pads of the arms that end a relay."""
        return (
            Table(),
            *(Stick(f"stick_{s}", (*self.in_front_of(s, STICK_REACH, 0.0), 0.0175)) for s in range(2)),
            *(Pad(f"pad_{s}_{p}", (*self._pad_pos(s, p), 0.0)) for s in range(2) for p in range(2)),
        )

    def contact_pairs(self) -> tuple[ContactPair, ...]:
        """Hands with sticks; collisions of arms with the table and each other."""
        apart = (ContactPair(f"arm_{k}/base", f"arm_{j}/base") for k in range(self.num_arms) for j in range(k))
        return (*self.grasps(*self.bodies), *self.collisions("table"), *apart)

    def base(self, arm: int) -> tuple[np.ndarray, np.ndarray]:
        """Position [m] and unit heading of an arm's base in the table plane, shape ``(2,)`` each."""
        angle = np.pi + 2 * np.pi * arm / self.num_arms
        pos = BASE_RADIUS * np.array([np.cos(angle), np.sin(angle)])
        return pos, -pos / BASE_RADIUS

    @cached_property
    def bases(self) -> np.ndarray:
        """Positions of the arm bases, shape ``(A, 3)`` [m]."""
        return np.array([[*self.base(k)[0], 0.0] for k in range(self.num_arms)])

    def in_front_of(self, arm: int, ahead: float, aside: float) -> tuple[float, float]:
        """Position in the table plane of a point in the frame of an arm's base."""
        pos, heading = self.base(arm)
        x, y = pos + ahead * heading + aside * np.array([-heading[1], heading[0]])
        return float(x), float(y)

    def _last(self, stick: int) -> int:
        """The last arm of the relay that begins at arm ``stick``."""
        return (stick - 1) % self.num_arms

    def _pad_pos(self, stick: int, pad: int) -> tuple[float, float]:
        """Center of a pad; pad 0 is the one further to the front (-y)."""
        places = [self.in_front_of(self._last(stick), PAD_REACH, side * PAD_ASIDE) for side in (-1, 1)]
        return sorted(places, key=lambda place: place[1])[pad]

    def sample(self, d: Sample) -> InitialState:
        """Place the sticks, color sticks and pads, and derive the position of the goal."""
        rows, zero = np.arange(len(d)), np.zeros(len(d))
        poses, fields = {}, {}
        for s, name in enumerate(self.bodies):
            base, heading = self.base(s)
            aside = np.array([-heading[1], heading[0]])
            length, width, mass, yaw = d.stick_length[:, s], d.stick_width[:, s], d.stick_mass[:, s], d.stick_yaw[:, s]
            xy = base + (STICK_REACH + d.stick_ahead[:, s, None]) * heading + d.stick_aside[:, s, None] * aside
            poses[name] = np.stack([xy[:, 0], xy[:, 1], width / 2, np.cos(yaw / 2), zero, zero, np.sin(yaw / 2)], -1)
            fields["body_mass", name] = mass
            fields["body_inertia", name] = box_inertia(mass, length, width, width)
            fields["geom_size", f"{name}_box"] = np.stack([length, width, width], -1) / 2
        mirrored = d.reversed(d.pads, d.mirror)[:, None]
        pad_color = np.stack([d.pads, np.where(mirrored, d.pads[:, ::-1], d.pads)], 1)
        for s in range(2):
            fields["geom_rgba", f"stick_{s}_box"] = np.array(list(OBJECT_COLORS.values()))[d.sticks[:, s]]
            for p in range(2):
                fields["geom_rgba", f"pad_{s}_{p}_disc"] = np.array(list(SURFACE_COLORS.values()))[pad_color[:, s, p]]
        stick, pad = d.goal // 2, d.goal % 2
        pads, height = np.array([[self._pad_pos(s, p) for p in range(2)] for s in range(2)]), d.stick_width / 2
        return InitialState(
            body_pose=poses,
            fields=fields,
            facts={
                "stick": stick,
                "goal_pos": np.concatenate([pads[stick, pad], height[rows, stick, None]], -1),
                "length": np.ascontiguousarray(d.stick_length),
                "width": np.ascontiguousarray(d.stick_width),
                "stick_color": d.sticks,
                "pad_color": pad_color,
                "stick_word": d.stick_word,
                "pad_word": d.pad_word,
            },
        )

    def instruction(self, facts: Arrays, world: int) -> str:
        """Name the stick by color or by its arm, the pad by color or by side."""
        sticks, pads = self._names(facts, world)
        words = {"stick": sticks[int(facts["stick_word"][world])], "arm": self._last_name(facts, world)}
        words["pad"] = pads[int(facts["pad_word"][world]) % len(pads)]
        return self._family.choose(float(facts["wording"][world]), self.split, **words)

    def sentences(self, facts: Arrays, world: int) -> tuple[str, ...]:
        """All paraphrases with every name of the stick and of the pad."""
        sticks, pads = self._names(facts, world)
        pairs, arm = [(stick, pad) for stick in sticks for pad in pads], self._last_name(facts, world)
        return tuple(
            text for stick, pad in pairs for text in self._family.every(self.split, stick=stick, pad=pad, arm=arm)
        )

    @property
    def _family(self) -> Paraphrases:
        return PASS if self.num_arms == 2 else RELAY

    def _last_name(self, facts: Arrays, world: int) -> str:
        """Name of the arm in front of which the goal's pad lies."""
        return ARM_NAMES[self._last(int(facts["stick"][world]))]

    def _names(self, facts: Arrays, world: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the goal's stick and pad; front and back exist only for two arms."""
        stick, pad = divmod(int(facts["goal"][world]), 2)
        color = STICK_NAMES[int(facts["stick_color"][world, stick])]
        pads = (PAD_NAMES[int(facts["pad_color"][world, stick, pad])], SIDE_NAMES[pad])
        sticks = (f"the {color} stick", f"the {ARM_NAMES[stick]} arm's stick")
        return sticks, pads if self.num_arms == 2 else pads[:1]

    def initial_memory(self, n: int) -> dict[str, np.ndarray]:
        """No hand has held the named stick."""
        return {"passed": np.zeros((n, self.num_arms), bool), "laid": np.ones(n, bool)}

    def update_memory(self, signals: Arrays) -> dict[str, Array]:
        """Hands that have held the named stick alone, and whether it was low when it was last held."""
        return {"passed": signals["passed"], "laid": signals["laid"]}

    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """Pose of the named stick, holds, the arms whose turn it is, and the grasp point of every arm."""
        xp = array_namespace(world.joint_pos)
        rows, arms = arange(world.joint_pos.shape[0], world.joint_pos), arange(self.num_arms, world.joint_pos)
        stick = facts["stick"]
        pos, rot = world.body_pos[rows, stick], world.body_rot[rows, stick]
        axis = rot[:, :, 0]
        length, width = facts["length"][rows, stick], facts["width"][rows, stick]
        bases = like(self.bases, world.joint_pos)
        rod = axis[:, None]
        lever = world.tool_pos - pos[:, None]
        along = dot(lever, rod)
        reach = xp.abs(along)
        half = length[:, None] / 2
        # An arm takes the end nearer to its base; if both are equally near, the one that its hand already faces.
        from_bases = pos[:, None] - bases
        outward = dot(from_bases, rod)
        inset = half - GRASP_INSET
        clear = norm(lever - along[..., None] * rod)
        opening = world.gripper_opening
        firm = (opening > width[:, None] - 0.006) & (opening < width[:, None] + 0.003)
        holding = (clear < 0.02) & (reach < half + 0.01) & firm
        held = holding.any(-1)
        beside = (clear < 0.045) & (reach < half + 0.03)
        # Order of the arms in the relay that begins at the stick's own arm.
        order = (arms - stick[:, None]) % self.num_arms
        nearest = xp.argmin(norm(from_bases), axis=-1)
        # If two arms hold the stick, the one that has held it alone leads.
        rank = order + xp.where(memory["passed"], 0, self.num_arms)
        lead = xp.where(held, xp.argmin(xp.where(holding, rank, 2 * self.num_arms), axis=-1), nearest)
        touching = world.contacts("grasp")[rows, :, stick]
        alone = holding.sum(-1) == 1
        passed = memory["passed"] | (holding & touching & alone[:, None])
        gentle = (pos[:, 2] - width / 2 < LAID) & (norm(world.body_vel[rows, stick, :3]) < 0.3)
        laid = xp.where(held, gentle, memory["laid"])
        finished = laid & passed.all(-1)
        # Next is the first arm of the relay that has not held the stick yet; the last one when all have.
        relay = (arms + stick[:, None]) % self.num_arms
        served = passed[rows[:, None], relay] | (relay == lead[:, None])
        missing = (~served).any(-1)
        following = xp.where(missing, xp.argmin(xp.where(served, 1, 0), axis=-1), self.num_arms - 1)
        last = ~missing & (order[rows, lead] == self.num_arms - 1)
        following = xp.where(last, lead + 1, following + stick) % self.num_arms
        lead_side = xp.where(held, xp.where(along[rows, lead] > 0, -1.0, 1.0), 1.0)
        near_tool = xp.where(along > 0, -1.0, 1.0)
        by_base = xp.where(outward > 0, 1.0, -1.0)
        by_hand = xp.where(dot(world.tool_rot[..., 0], rod) > 0, 1.0, -1.0)
        flip = xp.where(holding, near_tool, xp.where(xp.abs(outward) < 0.15, by_hand, by_base))
        flip = xp.where(held[:, None] & ~holding, -lead_side[:, None], flip)
        toward = rod * flip[..., None]  # from the arm's grasp point to the free end
        offset = world.tool_pos - (pos[:, None] - toward * inset[..., None])
        to_goal = facts["goal_pos"] - pos
        lateral = norm(to_goal[:, :2])
        tilt = xp.acos(norm(axis[:, :2]).clip(0.0, 1.0))
        return {
            "pos": pos, "rot": rot, "toward": toward, "offset": offset, "distance": norm(offset), "opening": opening,
            "width": width, "holding": holding, "held": held, "beside": beside, "lead": lead, "following": following,
            "last": last, "touching": touching, "to_goal": to_goal, "lateral": lateral, "tilt": tilt,
            "length": length, "passed": passed, "laid": laid, "finished": finished, "order": order[rows, lead],
            "on_goal": finished & (lateral < 0.03) & (xp.abs(to_goal[:, 2]) < 0.006) & (tilt < 0.1),
        }  # fmt: skip

    def is_success(self, signals: Arrays) -> Array:
        """Every hand has held the named stick, and it was laid on the named pad, where no hand touches it."""
        s = signals
        xp = array_namespace(s["tilt"])
        lies = (s["lateral"] < 0.05) & (xp.abs(s["to_goal"][:, 2]) < 0.01) & ~s["touching"].any(-1)
        return lies & s["finished"]

    def hold_steps(self, facts: Arrays) -> Array:
        """0.4 s."""
        return 0 * facts["goal"] + 10

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Reach, pass the stick from hand to hand, meet the next arm, approach the pad, release."""
        s = signals
        xp = array_namespace(s["tilt"])
        rows = arange(s["tilt"].shape[0], s["tilt"])
        done = s["on_goal"]
        progress = s["passed"].sum(-1) / self.num_arms
        reach = xp.exp(-4 * s["distance"][rows, s["lead"]])
        free = done & ~s["touching"].any(-1)
        meeting = norm(s["pos"] - like(MEETING, s["pos"]))
        follow = xp.where(s["held"], xp.exp(-4 * (s["distance"][rows, s["following"]] + meeting)), 0.0)
        return {
            "reach": (0.15, xp.where(done, 1.0, xp.where(s["held"], 1.0, reach))),
            "pass_on": (0.35, xp.where(done, 1.0, progress)),
            "meet": (0.15, xp.where(done | s["last"], 1.0, follow)),
            "goal": (0.20, xp.where(s["last"], xp.exp(-3 * norm(s["to_goal"])), 0.0)),
            "release": (0.15, xp.where(free, 1.0, 0.0)),
        }

    def phase(self, signals: Arrays) -> Array:
        """Inferred from holds and the position of the stick."""
        s = signals
        xp = array_namespace(s["tilt"])
        rows = arange(s["tilt"].shape[0], s["tilt"])
        closing = (s["distance"][rows, s["lead"]] < 0.02) & (s["opening"][rows, s["lead"]] < 0.07)
        met = norm(s["pos"] - like(MEETING, s["pos"])) < 0.04
        both = s["holding"].sum(-1) > 1
        carried = xp.where(s["last"], 5, xp.where(both, 4, xp.where(met, 3, 2)))
        working = xp.where(s["held"], carried, xp.where(closing, 1, 0))
        return xp.where(s["on_goal"], xp.where(s["touching"].any(-1), 6, 7), working)

    def is_cooperative(self, signals: Arrays) -> Array:
        """While the stick is held or in the air."""
        s = signals
        return (s["held"] | (s["pos"][:, 2] - s["width"] / 2 > LAID)) & ~s["on_goal"]

    def roles(self, signals: Arrays) -> Array:
        """The lead holds the stick, the next arm waits at the free end, and no other arm holds it."""
        s = signals
        xp = array_namespace(s["tilt"])
        arms = arange(self.num_arms, s["tilt"])
        lead = arms == s["lead"][:, None]
        following = (arms == s["following"][:, None]) & ~s["last"][:, None]
        met = norm(s["pos"] - like(MEETING, s["pos"])) < 0.04
        come = ~met[:, None] | (s["distance"] < 0.15)
        part = xp.where(lead, s["holding"], xp.where(following, come, ~s["holding"]))
        return part | ~self.is_cooperative(s)[:, None]

    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """The named stick first, then both, and the goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        rows = arange(n, world.joint_pos)
        toward = s["toward"][rows, s["lead"]]
        goal = xp.astype(facts["goal"][:, None] == arange(4, rows), world.joint_pos.dtype)
        lead = xp.astype(s["lead"][:, None] == arange(self.num_arms, rows), world.joint_pos.dtype)
        return {
            "object_pos": s["pos"],
            "object_rot6d": xp.concat([toward, _upper_side(s["rot"])], axis=-1),
            "object_vel": world.body_vel[rows, facts["stick"]],
            "object_size": stack_last(s["length"], s["width"]),
            "stick_pos": xp.reshape(world.body_pos, (n, 6)),
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "lead": lead,
            "object_to_goal": s["to_goal"],
            "goal_pos": facts["goal_pos"],
            "goal": goal,
        }


def _upper_side(rot: Array) -> Array:
    """Normal of the long side of a stick that faces up most: its cross-section is square. Shape ``(N, 3)``."""
    xp = array_namespace(rot)
    y, z = rot[:, :, 1], rot[:, :, 2]
    side = xp.where(xp.abs(y[:, 2:]) > xp.abs(z[:, 2:]), y, z)
    return xp.where(side[:, 2:] < 0, -side, side)
