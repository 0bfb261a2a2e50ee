"""What the names in the tables mean. The numbers come from the code; a name without words here fails the build."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Part of an action -> (what 1.0 stands for, meaning)
ACTION_PARTS: dict[str, tuple[str, str]] = {
    "joint_delta": ("{JOINT_STEP} rad", "displacement of the commanded position of joint 1 to {length}"),
    "joint_pos": ("joint limit", "commanded position of joint 1 to {length}, -1 and +1 at its limits"),
    "tool_translation": ("{TOOL_STEP} m", "displacement of the commanded tool along the world's x, y, z"),
    "tool_rotation": ("{TOOL_TURN} rad", "rotation vector of the commanded tool in the world's axes"),
    "gripper": ("{opening} m", "commanded distance between the pads: -1 closed, +1 open"),
}

# Part of an observation -> (unit, meaning)
OBSERVATION_PARTS: dict[str, tuple[str, str]] = {
    "joint_pos": ("rad", "measured joint positions"),
    "joint_vel": ("rad/s", "joint velocities"),
    "gripper_opening": ("m", "distance between the pads"),
    "gripper_target": ("m", "commanded distance between the pads"),
    "tool_pos": ("m", "position of the tool frame, between the pads"),
    "tool_rot6d": ("", "first two columns of the tool's rotation matrix"),
    "peers": ("m", "for each other arm in order: its tool relative to the own, and its gripper's opening"),
    "object_pos": ("m", "center of the object"),
    "object_rot6d": ("", "two axes of the object, the same for equivalent poses"),
    "object_vel": ("m/s, rad/s", "linear velocity in world axes, angular velocity in the object's axes"),
    "object_length": ("m", "length of the bar"),
    "object_reach": ("m", "from the center of the tray to the grasp points on its handles"),
    "object_size": ("m", "length and width of the stick, or edge of the cube"),
    "stand_pos": ("m", "centers of the stands' tops, front then back"),
    "stick_pos": ("m", "centers of both sticks"),
    "cube_pos": ("m", "centers of all cubes"),
    "drawer_pos": ("m", "how far each drawer is open, bottom then top"),
    "drawer_vel": ("m/s", "how fast"),
    "handle_pos": ("m", "grasp point of the named drawer's handle"),
    "tool_to_grasp": ("m", "for each arm, from its tool to its grasp point"),
    "lead": ("", "one-hot: the arm whose turn it is"),
    "puller": ("", "one-hot: the arm on the side of the handle"),
    "object_to_goal": ("m", "from the object to the goal"),
    "goal_pos": ("m", "where the object should be"),
    "goal": ("", "one-hot goal variant"),
}

# First word of a state array's name -> content
STATE_ARRAYS: dict[str, str] = {
    "physics": "MuJoCo's full physics state",
    "joint_target": "commanded joint positions [rad]",
    "gripper_target": "commanded distances between the pads [m]",
    "contacts": "count and mean force [N] of each watched pair of bodies",
    "held": "control steps in a row for which the goal was reached",
    "steps": "control steps of the episode",
    "end": "why the episode has ended: 0 not yet, 1 success, 2 object left the table, 3 time limit",
    "pending": "actions that have not taken effect yet (only when actions can come late)",
    "seed": "seed of the episode, -1 without one",
    "generator": "state of the world's random generator",
    "episode": "what was drawn for the episode: {name}",
    "memory": "what the task remembers: {name}",
    "field": "model field that differs from world to world: {name}",
}

REWARD_TERMS: dict[str, dict[str, str]] = {
    "lift": {
        "reach": "mean over the arms of exp(-4 d), d the distance from tool to grasp point [m]; 1 once the bar lies on "
        "its stand",
        "grasp": "share of the arms that hold the bar; 1 once the bar lies on its stand",
        "lift": "how far the bar is raised, as a share of the height of the goal; 1 on its stand",
        "level": "`lift` times exp(-25 t²), t the bar's tilt [rad]",
        "goal": "`lift` times exp(-4 d), d the distance to the goal [m]",
        "release": "exp(-5 d), d the horizontal distance to the goal [m], while the bar lies on its stand and nobody "
        "touches it; for the goal `hold`, while somebody touches it",
    },
    "handoff": {
        "reach": "exp(-4 d), d the distance from the leading tool to its grasp point [m]; 1 once the stick is held",
        "pass_on": "share of the hands that have held the stick alone",
        "meet": "how near the stick is to the meeting place and the next arm to its free end; 1 for the last arm",
        "goal": "exp(-3 d), d the distance from the stick to its place on the pad [m], once the last arm has it",
        "release": "the stick lies on its pad and nobody touches it",
    },
    "drawer": {
        "reach": "mean over the arms of exp(-4 d), d from tool to grasp point [m]; 1 once the cube is inside",
        "open": "how far the named drawer is open, as a share of what counts as open; 1 once the cube is inside",
        "grasp": "an arm holds the cube; 1 once it is inside",
        "carry": "`grasp` times exp(-4 d), d the distance from the cube to where it should be let go [m]",
        "place": "the cube lies in the drawer",
        "shut": "how far the drawer is shut again, once the cube is inside",
        "release": "the cube lies in the shut drawer and nobody touches either",
    },
}

PHASES: dict[str, dict[str, str]] = {
    "lift": {
        "approach": "at least one arm is on its way to the bar",
        "grasp": "a gripper closes around the bar",
        "carry": "all arms hold the bar",
        "place": "all arms hold the bar over its stand",
        "release": "the bar lies on its stand, a finger still touches it",
        "done": "the bar lies on its stand and nobody touches it",
    },
    "handoff": {
        "approach": "the leading arm is on its way to the stick",
        "grasp": "its gripper closes around the stick",
        "lift": "it carries the stick to the meeting place",
        "meet": "the stick is at the meeting place",
        "transfer": "two arms hold the stick",
        "place": "the last arm carries the stick to the pad",
        "release": "the stick lies on the pad, a finger still touches it",
        "done": "the stick lies on the pad and nobody touches it",
    },
    "drawer": {
        "approach": "the puller is on its way to the handle",
        "pull": "it holds the handle, the drawer is not open yet",
        "pick": "the drawer is open, the filler is on its way to the cube",
        "carry": "the filler holds the cube",
        "place": "it holds the cube over the drawer",
        "shut": "the cube is inside, the drawer still open",
        "release": "the drawer is shut, a finger still touches it or the cube",
        "done": "the drawer is shut and nobody touches it",
    },
}

GOALS: dict[str, dict[str, str]] = {
    "lift": {
        "stand_front": "the bar lies on the front stand",
        "stand_back": "the bar lies on the back stand",
        "hold": "both arms hold the bar up",
    },
    "handoff": {
        "stick_0_pad_0": "arm_0's stick on the front pad of the pair that ends its relay",
        "stick_0_pad_1": "arm_0's stick on the back pad of that pair",
        "stick_1_pad_0": "arm_1's stick on the front pad of the pair that ends its relay",
        "stick_1_pad_1": "arm_1's stick on the back pad of that pair",
    },
    "drawer": {
        "bottom_color_0": "a cube of the first color in the bottom drawer, which `arm_0` opens",
        "bottom_color_1": "a cube of the second color in the bottom drawer",
        "top_color_0": "a cube of the first color in the top drawer, which `arm_1` opens",
        "top_color_1": "a cube of the second color in the top drawer",
    },
}


@dataclass(frozen=True)
class Drawn:
    """A quantity that a start draws: its unit and how it is read off a ``Start``; shape ``(n, …)``."""

    unit: str
    read: Callable[[Any], Any]


def _yaw(pose: np.ndarray) -> np.ndarray:
    return 2 * np.arctan2(pose[:, 6], pose[:, 3])


STARTS: dict[str, Mapping[str, Drawn]] = {
    "lift": {
        "bar, x": Drawn("m", lambda start: start.body_pose["bar"][:, 0]),
        "bar, y": Drawn("m", lambda start: start.body_pose["bar"][:, 1]),
        "bar, yaw": Drawn("rad", lambda start: _yaw(start.body_pose["bar"])),
        "bar, length": Drawn("m", lambda start: start.episode["length"]),
        "bar, mass": Drawn("kg", lambda start: start.fields["body_mass", "bar"]),
        "lower stand, height": Drawn("m", lambda start: start.episode["stand_pos"][..., 2].min(axis=1)),
        "taller stand, height": Drawn("m", lambda start: start.episode["stand_pos"][..., 2].max(axis=1)),
    },
    "handoff": {
        "sticks, distance of the center from the giver's base along its heading": Drawn(
            "m", lambda start: start.body_pose["stick_0"][:, 0] + 0.70
        ),
        "sticks, offset across that heading": Drawn("m", lambda start: start.body_pose["stick_0"][:, 1]),
        "sticks, yaw": Drawn("rad", lambda start: _yaw(start.body_pose["stick_0"])),
        "sticks, length": Drawn("m", lambda start: start.episode["length"]),
        "sticks, width and height": Drawn("m", lambda start: start.episode["width"]),
        "sticks, mass": Drawn("kg", lambda start: start.fields["body_mass", "stick_0"]),
    },
    "drawer": {
        "cubes, distance from the middle plane between the arms": Drawn(
            "m", lambda start: -start.body_pose["cube_0_0"][:, 0]
        ),
        "cubes, y": Drawn("m", lambda start: start.body_pose["cube_0_0"][:, 1]),
        "cubes, yaw": Drawn("rad", lambda start: _yaw(start.body_pose["cube_0_0"])),
        "smaller cubes, edge": Drawn("m", lambda start: start.episode["size"].min(axis=1)),
        "bigger cubes, edge": Drawn("m", lambda start: start.episode["size"].max(axis=1)),
        "cubes, mass": Drawn("kg", lambda start: start.fields["body_mass", "cube_0_0"]),
    },
}
