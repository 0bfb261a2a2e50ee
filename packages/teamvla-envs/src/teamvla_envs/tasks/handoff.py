"""Handoff: one arm picks the stick that the sentence names and passes it on in mid-air; the last lays it on a pad."""

from functools import cached_property

import numpy as np

from teamvla_envs.arrays import arange, array_namespace, dot, like, stack_last
from teamvla_envs.control.grasping import GAIN, fingers_around, funnel, norm, rotation_error, smoothstep
from teamvla_envs.geometry import clip_norm
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import ARM_COLORS, BASE_RADIUS
from teamvla_envs.scene.props import Pad, Prop, Stick, Table, box_inertia
from teamvla_envs.tasks.base import Array, Arrays, Start, Task, ToolGoals, pick
from teamvla_envs.tasks.handoff_sentences import PASS, RELAY
from teamvla_envs.tasks.instructions import Family, vocabulary
from teamvla_envs.world import WorldState

STICK_COLORS = {
    "yellow": (0.95, 0.78, 0.12, 1.0),
    "orange": (0.92, 0.45, 0.10, 1.0),
    "cyan": (0.15, 0.75, 0.85, 1.0),
    "brown": (0.42, 0.26, 0.13, 1.0),
}
PAD_COLORS = {
    "green": (0.10, 0.55, 0.20, 1.0),
    "pink": (0.95, 0.40, 0.62, 1.0),
    "white": (0.93, 0.93, 0.93, 1.0),
    "black": (0.08, 0.08, 0.09, 1.0),
}
PAD_NAMES, STICK_NAMES, ARM_NAMES = tuple(PAD_COLORS), tuple(STICK_COLORS), tuple(ARM_COLORS)
SIDE_NAMES = ("front", "back")

GRASP_INSET = 0.015  # [m] from the stick's end to the grasp point
LAID = 0.02  # [m] a stick that was slowly let go lower than this above the table was laid down
MEETING = (0.0, 0.0, 0.30)  # [m] where the stick changes hands
PAD_REACH, PAD_ASIDE = 0.43, 0.26  # [m] a pad in the frame of the arm that serves it
WAIT_REACH, WAIT_HEIGHT = 0.42, 0.42  # [m] where an idle arm's tool waits, in its own frame


class Handoff(Task):
    """Pass a stick from arm to arm in mid-air and lay it on the pad that the sentence names.

    Two sticks lie in front of two arms, out of the others' reach; two pads lie in front of the last arm of each relay,
    out of the giver's reach. The sentence says which stick (by color or by whose it is) and which pad (by color or
    side). With more than two arms the stick goes around the table, and the sentence names the arm at whose pads it
    ends. Success is the stick lying on the named pad with no finger touching it, after every hand has held it alone,
    and laid down rather than dropped: the hand that had it last let it go slowly, less than 2 cm above the table.
    """

    name = "handoff"
    goals = ("stick_0_pad_0", "stick_0_pad_1", "stick_1_pad_0", "stick_1_pad_1")
    phases = ("approach", "grasp", "lift", "meet", "transfer", "place", "release", "done")
    bodies = ("stick_0", "stick_1")
    draws = 20
    goal_draw = 15
    pose_draws, size_draws, mass_draws = (0, 1, 2, 6, 7, 8), (3, 4, 9, 10), (5, 11)
    goal_parts = (
        "goal", "goal_pos", "object_to_goal", "object_pos", "object_rot6d", "object_vel", "object_size",
        "tool_to_grasp", "lead",
    )  # fmt: skip
    arm_counts = (2, 3, 4)
    indicators = ("goal", "lead")

    def props(self) -> tuple[Prop, ...]:
        """Table, two sticks and the pads of the arms that end a relay."""
        return (
            Table(),
            *(Stick(f"stick_{s}", (*self._in_front_of(s, 0.44, 0.0), 0.0175)) for s in range(2)),
            *(Pad(f"pad_{s}_{p}", (*self._pad_pos(s, p), 0.0)) for s in range(2) for p in range(2)),
        )

    def contact_pairs(self) -> tuple[tuple[str, str], ...]:
        """Each hand with each stick; then what should not touch: arms with the table and with one another."""
        arms = range(self.num_arms)
        return (
            *((f"arm_{k}/hand", f"stick_{s}") for s in range(2) for k in arms),
            *((f"arm_{k}/upper_arm", "table") for k in arms),
            *((f"arm_{k}/base", f"arm_{j}/base") for k in arms for j in range(k)),
        )

    def _base(self, arm: int) -> tuple[np.ndarray, np.ndarray]:
        """Position and heading of an arm's base in the table plane."""
        angle = np.pi + 2 * np.pi * arm / self.num_arms
        pos = BASE_RADIUS * np.array([np.cos(angle), np.sin(angle)])
        return pos, -pos / BASE_RADIUS

    @cached_property
    def _bases(self) -> np.ndarray:
        """Where the arms stand, shape ``(A, 3)`` [m]."""
        return np.array([[*self._base(k)[0], 0.0] for k in range(self.num_arms)])

    def _in_front_of(self, arm: int, ahead: float, aside: float) -> tuple[float, float]:
        pos, heading = self._base(arm)
        x, y = pos + ahead * heading + aside * np.array([-heading[1], heading[0]])
        return float(x), float(y)

    def _last(self, stick: int) -> int:
        """The arm that ends the relay which begins at arm ``stick``."""
        return (stick - 1) % self.num_arms

    def _pad_pos(self, stick: int, pad: int) -> tuple[float, float]:
        """Center of a pad; pad 0 is the one further to the front (-y)."""
        places = [self._in_front_of(self._last(stick), PAD_REACH, side * PAD_ASIDE) for side in (-1, 1)]
        return sorted(places, key=lambda place: place[1])[pad]

    def place(self, u: np.ndarray) -> Start:
        """Draw goal, colors and the poses, sizes and masses of both sticks."""
        n = len(u)
        poses, fields, lengths, widths = {}, {}, [], []
        for s in range(2):
            a = u[:, 6 * s : 6 * s + 6]
            base, heading = self._base(s)
            aside = np.array([-heading[1], heading[0]])
            spread = 0.07  # beyond it a stick could lie on a pad
            xy = base + (0.44 + 0.07 * (2 * a[:, :1] - 1)) * heading + spread * (2 * a[:, 1:2] - 1) * aside
            yaw = np.pi * a[:, 2]
            length, width, mass = 0.15 + 0.05 * a[:, 3], 0.025 + 0.02 * a[:, 4], 0.05 + 0.25 * a[:, 5]
            zero = np.zeros(n)
            poses[f"stick_{s}"] = np.stack(
                [xy[:, 0], xy[:, 1], width / 2, np.cos(yaw / 2), zero, zero, np.sin(yaw / 2)], -1
            )
            fields["body_mass", f"stick_{s}"] = mass
            fields["body_inertia", f"stick_{s}"] = box_inertia(mass, length, width, width)
            fields["geom_size", f"stick_{s}_box"] = np.stack([length, width, width], -1) / 2
            lengths.append(length)
            widths.append(width)
        pad_colors, stick_colors = self.draw_pairs(u[:, 12]), self.draw_pairs(u[:, 13])
        mirrored = self.draw_mirrored(pad_colors, u[:, 14])[:, None]
        pad_color = np.stack([pad_colors, np.where(mirrored, pad_colors[:, ::-1], pad_colors)], 1)
        for s in range(2):
            fields["geom_rgba", f"stick_{s}_box"] = np.array(list(STICK_COLORS.values()))[stick_colors[:, s]]
            for p in range(2):
                fields["geom_rgba", f"pad_{s}_{p}_disc"] = np.array(list(PAD_COLORS.values()))[pad_color[:, s, p]]
        goal = pick(u[:, 15], 4)
        stick, pad, rows = goal // 2, goal % 2, np.arange(n)
        pads = np.array([[self._pad_pos(s, p) for p in range(2)] for s in range(2)])
        width = np.stack(widths, -1)
        goal_pos = np.concatenate([pads[stick, pad], width[rows, stick][:, None] / 2], -1)
        return Start(
            body_pose=poses,
            fields=fields,
            episode={
                "goal": goal,
                "stick": stick,
                "goal_pos": goal_pos,
                "length": np.stack(lengths, -1),
                "width": width,
                "stick_color": stick_colors,
                "pad_color": pad_color,
                "stick_word": pick(u[:, 16], 2),
                "pad_word": pick(u[:, 17], 2),
                "wording": u[:, 18],
            },
        )

    def instruction(self, episode: Arrays, world: int) -> str:
        """Name the stick by color or by its arm, the pad by color or by side."""
        sticks, pads = self._names(episode, world)
        words = {"stick": sticks[int(episode["stick_word"][world])], "arm": self._last_name(episode, world)}
        words["pad"] = pads[int(episode["pad_word"][world]) % len(pads)]
        return self._family.choose(float(episode["wording"][world]), self.split, **words)

    def sentences(self, episode: Arrays, world: int) -> tuple[str, ...]:
        """All wordings with every name of the stick and of the pad."""
        sticks, pads = self._names(episode, world)
        pairs, arm = [(stick, pad) for stick in sticks for pad in pads], self._last_name(episode, world)
        return tuple(
            told for stick, pad in pairs for told in self._family.every(self.split, stick=stick, pad=pad, arm=arm)
        )

    @property
    def _family(self) -> Family:
        return PASS if self.num_arms == 2 else RELAY

    def _last_name(self, episode: Arrays, world: int) -> str:
        """Of the arm in front of which the goal's pad lies."""
        return ARM_NAMES[self._last(int(episode["stick"][world]))]

    def _names(self, episode: Arrays, world: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the goal's stick and pad can be called; sides mean something across a table for two only."""
        stick, pad = divmod(int(episode["goal"][world]), 2)
        color = STICK_NAMES[int(episode["stick_color"][world, stick])]
        pads = (PAD_NAMES[int(episode["pad_color"][world, stick, pad])], SIDE_NAMES[pad])
        sticks = (f"the {color} stick", f"the {ARM_NAMES[stick]} arm's stick")
        return sticks, pads if self.num_arms == 2 else pads[:1]

    @classmethod
    def vocabulary(cls) -> tuple[str, ...]:
        """Templates and the words that fill them."""
        sticks = [*(f"the {name} stick" for name in STICK_NAMES), *(f"the {arm} arm's stick" for arm in ARM_NAMES[:2])]
        return vocabulary((PASS, RELAY), (*sticks, *PAD_NAMES, *SIDE_NAMES, *ARM_NAMES))

    def blank_memory(self, n: int) -> dict[str, np.ndarray]:
        """No hand has held the named stick."""
        return {"passed": np.zeros((n, self.num_arms), bool), "laid": np.ones(n, bool)}

    def remember(self, signals: Arrays) -> dict[str, Array]:
        """Which hands have held the named stick alone, and whether it was low when it was held last."""
        return {"passed": signals["passed"], "laid": signals["laid"]}

    def signals(self, world: WorldState, episode: Arrays, memory: Arrays) -> dict[str, Array]:
        """The named stick, who holds it, whose turn it is, and the grasp point of every arm."""
        xp = array_namespace(world.joint_pos)
        rows, arms = arange(world.joint_pos.shape[0], world.joint_pos), arange(self.num_arms, world.joint_pos)
        stick = episode["stick"]
        pos, rot = world.body_pos[rows, stick], world.body_rot[rows, stick]
        axis = rot[:, :, 0]
        length, width = episode["length"][rows, stick], episode["width"][rows, stick]
        bases = like(self._bases, world.joint_pos)
        rod = axis[:, None]
        lever = world.tool_pos - pos[:, None]
        along = dot(lever, rod)
        reach = xp.abs(along)
        half = length[:, None] / 2
        # An arm takes the end that is nearer to its base; where both are as near, the one its hand already faces.
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
        # Of two that hold the stick, the one leads that had it alone.
        rank = order + xp.where(memory["passed"], 0, self.num_arms)
        lead = xp.where(held, xp.argmin(xp.where(holding, rank, 2 * self.num_arms), axis=-1), nearest)
        touching = world.contact_count[:, : 2 * self.num_arms] > 0
        touching = xp.reshape(touching, (-1, 2, self.num_arms))[rows, stick]
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
        to_goal = episode["goal_pos"] - pos
        lateral = norm(to_goal[:, :2])
        tilt = xp.acos(norm(axis[:, :2]).clip(0.0, 1.0))
        return {
            "pos": pos, "rot": rot, "toward": toward, "offset": offset, "distance": norm(offset), "opening": opening,
            "width": width, "holding": holding, "held": held, "beside": beside, "lead": lead, "following": following,
            "last": last, "touching": touching, "to_goal": to_goal, "lateral": lateral, "tilt": tilt,
            "length": length, "passed": passed, "laid": laid, "finished": finished, "order": order[rows, lead],
            "on_goal": finished & (lateral < 0.03) & (xp.abs(to_goal[:, 2]) < 0.006) & (tilt < 0.1),
        }  # fmt: skip

    def succeeds(self, signals: Arrays) -> Array:
        """Every hand has held the named stick, and it was laid on the named pad where nobody touches it."""
        s = signals
        xp = array_namespace(s["tilt"])
        lies = (s["lateral"] < 0.05) & (xp.abs(s["to_goal"][:, 2]) < 0.01) & ~s["touching"].any(-1)
        return lies & s["finished"]

    def hold_steps(self, episode: Arrays) -> Array:
        """0.4 s."""
        return 0 * episode["goal"] + 10

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """The leading arm reaches and grasps, the stick travels hand by hand, and lies free on the pad."""
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
        """Inferred from who holds the stick and where it is."""
        s = signals
        xp = array_namespace(s["tilt"])
        rows = arange(s["tilt"].shape[0], s["tilt"])
        closing = (s["distance"][rows, s["lead"]] < 0.02) & (s["opening"][rows, s["lead"]] < 0.07)
        met = norm(s["pos"] - like(MEETING, s["pos"])) < 0.04
        both = s["holding"].sum(-1) > 1
        carried = xp.where(s["last"], 5, xp.where(both, 4, xp.where(met, 3, 2)))
        working = xp.where(s["held"], carried, xp.where(closing, 1, 0))
        return xp.where(s["on_goal"], xp.where(s["touching"].any(-1), 6, 7), working)

    def joint_work(self, signals: Arrays) -> Array:
        """While the stick is held or in the air."""
        s = signals
        return (s["held"] | (s["pos"][:, 2] - s["width"] / 2 > LAID)) & ~s["on_goal"]

    def roles(self, signals: Arrays) -> Array:
        """The lead holds the stick, the next arm is at the free end where they meet, nobody else holds it."""
        s = signals
        xp = array_namespace(s["tilt"])
        arms = arange(self.num_arms, s["tilt"])
        lead = arms == s["lead"][:, None]
        following = (arms == s["following"][:, None]) & ~s["last"][:, None]
        met = norm(s["pos"] - like(MEETING, s["pos"])) < 0.04
        come = ~met[:, None] | (s["distance"] < 0.15)
        part = xp.where(lead, s["holding"], xp.where(following, come, ~s["holding"]))
        return part | ~self.joint_work(s)[:, None]

    def state_parts(self, world: WorldState, episode: Arrays, signals: Arrays) -> dict[str, Array]:
        """The named stick first, then both, and the goal."""
        s, n = signals, world.joint_pos.shape[0]
        xp = array_namespace(world.joint_pos)
        rows = arange(n, world.joint_pos)
        toward = s["toward"][rows, s["lead"]]
        goal = xp.astype(episode["goal"][:, None] == arange(4, rows), world.joint_pos.dtype)
        lead = xp.astype(s["lead"][:, None] == arange(self.num_arms, rows), world.joint_pos.dtype)
        return {
            "object_pos": s["pos"],
            "object_rot6d": xp.concat([toward, _upper_side(s["rot"])], axis=-1),
            "object_vel": world.body_vel[rows, episode["stick"]],
            "object_size": stack_last(s["length"], s["width"]),
            "stick_pos": xp.reshape(world.body_pos, (n, 6)),
            "tool_to_grasp": xp.reshape(-s["offset"], (n, -1)),
            "lead": lead,
            "object_to_goal": s["to_goal"],
            "goal_pos": episode["goal_pos"],
            "goal": goal,
        }

    def tool_goals(self, world: WorldState, chains: Chains, episode: Arrays, signals: Arrays) -> ToolGoals:
        """The lead picks and carries, the next arm takes the free end, everyone else keeps clear."""
        s = signals
        xp = array_namespace(world.joint_pos)
        _, tools = chains.frames(world.joint_target)
        command = tools[..., :3, 3]
        arms = arange(self.num_arms, command)
        lead, following = arms == s["lead"][:, None], (arms == s["following"][:, None]) & ~s["last"][:, None]
        done, held = s["on_goal"][:, None], s["held"][:, None]
        wait_pos, wait_rot = self._waiting(world)

        hands = _hands_along(s["toward"])
        meeting = norm(s["pos"] - like(MEETING, command))
        away = xp.abs(s["pos"] - like(MEETING, command))
        # A stick that slants in the hand hangs lower; it can be taken all the same.
        away = xp.maximum(norm(away[:, :2]), away[:, 2] - 0.04)
        unsettled = smoothstep((away + 0.03 * s["tilt"] - 0.03) / 0.05)[:, None]
        unsettled = unsettled * smoothstep((s["opening"] - s["width"][:, None] - 0.01) / 0.03)
        around = fingers_around(s["offset"], s["toward"], slack=0.04)
        turn = rotation_error(hands, world.tool_rot)
        hover = xp.where(following, 1.25 * unsettled, 0.0)
        pos, speed, grip = funnel(
            command, world.tool_pos, s["offset"], turn, s["opening"], s["width"][:, None], around, s["holding"], hover
        )
        carry_pos, carry_rot = self._carry(world, command, tools[..., :3, :3], episode, s)
        pre_pos, pre_rot = self._expecting(s, wait_pos)

        take = following & (held & (meeting < 0.12)[:, None])
        expect = following & ~take
        carrying = lead & s["holding"]
        idle = ~(lead | following)
        # An arm that let go, or is done, rises off the stick before it goes anywhere.
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
        # A stick that hangs down would be jammed into the table: let it fall over and take it again.
        hangs = s["last"] & (s["lateral"] < 0.2) & (s["tilt"] > 0.5) & (s["pos"][:, 2] < s["length"] / 2 + 0.02)
        # One that is laid down slanting cannot be pressed flat: let it go as soon as its low end is on the pad.
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
        """Where idle arms wait, broadcast to ``(N, A, …)``."""
        xp = array_namespace(world.tool_pos)
        pos = np.array([[*self._in_front_of(k, WAIT_REACH, 0.0), WAIT_HEIGHT] for k in range(self.num_arms)])
        ahead = np.array([[*self._base(k)[1], 0.0] for k in range(self.num_arms)])
        zero = xp.zeros_like(world.tool_pos)
        return zero + like(pos, zero), _hands_along(zero + like(ahead, zero))

    def _relay_axis(self, s: Arrays) -> Array:
        """Direction from the lead's base to the next arm's, shape ``(N, 3)``."""
        bases = like(self._bases, s["pos"])
        way = bases[s["following"]] - bases[s["lead"]]
        return way / norm(way)[:, None]

    def _expecting(self, s: Arrays, wait_pos: Array) -> tuple[Array, Array]:
        """Above the place where the free end will be."""
        axis = self._relay_axis(s)
        free_end = like(MEETING, axis) + axis * (s["length"] / 2 - GRASP_INSET)[:, None]
        pos = free_end + axis * 0.03 + like((0.0, 0.0, 0.13), axis)
        return 0 * wait_pos + pos[:, None], _hands_along(0 * wait_pos - axis[:, None])

    def _carry(
        self, world: WorldState, command: Array, tool_rot: Array, episode: Arrays, s: Arrays
    ) -> tuple[Array, Array]:
        """Tool poses that bring a held stick to the meeting place or down onto its pad.

        Wherever it goes, it first goes up; the stick is kept level in whatever way it sits in the hand.
        """
        xp = array_namespace(command)
        last = s["last"]
        meeting = like(MEETING, command)
        goal = xp.where(last[:, None], episode["goal_pos"], meeting)
        way = goal[:, :2] - s["pos"][:, :2]
        lateral = norm(way)
        # The last arm keeps clear of its partner's hand before it moves off.
        others = (s["touching"] | s["beside"]) & ~s["holding"]
        busy = xp.any(others, axis=-1) | (xp.sum(xp.astype(s["holding"], lateral.dtype), axis=-1) > 1)
        low = goal[:, 2] + 0.003
        needed = xp.where(last, low + (0.16 - low) * smoothstep((lateral - 0.01) / 0.06), meeting[2])
        floor = xp.where(last, needed - 0.02, 0.12)
        free = smoothstep(1 - (floor - s["pos"][:, 2]) / 0.05)
        axis = xp.where(last[:, None], self._radial(s, goal), self._relay_axis(s))
        hands = _hands_along(0 * command + axis[:, None])
        # Where the stick's center is in the hand tells where the hand must be.
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
        bases = like(self._bases[:, :2], goal)
        way = goal[:, :2] - bases[s["lead"]]
        way = way / norm(way)[:, None]
        return xp.concat([way, xp.zeros_like(way[:, :1])], axis=-1)


def _upper_side(rot: Array) -> Array:
    """Normal of the long side of a stick that faces up most: its cross-section is square. Shape ``(N, 3)``."""
    xp = array_namespace(rot)
    y, z = rot[:, :, 1], rot[:, :, 2]
    side = xp.where(xp.abs(y[:, 2:]) > xp.abs(z[:, 2:]), y, z)
    return xp.where(side[:, 2:] < 0, -side, side)


def _hands_along(toward: Array) -> Array:
    """Tool orientations that point down, x along the horizontal direction ``toward``, shape ``(N, A, 3, 3)``."""
    xp = array_namespace(toward)
    flat = xp.concat([toward[..., :2], xp.zeros_like(toward[..., :1])], axis=-1)
    x = flat / norm(flat).clip(1e-9)[..., None]
    y = stack_last(x[..., 1], -x[..., 0], 0 * x[..., 0])
    z = 0 * x + like((0.0, 0.0, -1.0), x)
    return stack_last(x, y, z)
