"""Meanings of the names in the tables of the environment pages; a name without one fails the build."""

# Part of an action -> (unit of 1.0, meaning)
ACTION_PARTS: dict[str, tuple[str, str]] = {
    "joint_delta": ("{JOINT_STEP} rad", "displacement of the commanded position of joint 1 to {length}"),
    "joint_pos": ("joint limit", "commanded position of joint 1 to {length}, -1 and +1 at its limits"),
    "tool_translation": ("{TOOL_STEP} m", "displacement of the commanded tool along the world's x, y, z"),
    "tool_rotation": ("{TOOL_TURN} rad", "rotation vector of the commanded tool in the world's axes"),
    "gripper": ("{opening} m", "commanded distance between the pads: -1 closed, +1 open"),
}

# The part that only agents of the parallel view observe.
PEERS = "for each other arm in order: its tool relative to the own tool, and its gripper opening"

# First word of a state array's name -> content
STATE_ARRAYS: dict[str, str] = {
    "physics": "MuJoCo's full physics state",
    "joint_target": "commanded joint positions [rad]",
    "gripper_target": "commanded distances between the pads [m]",
    "contacts": "count and mean force [N] of each watched pair of bodies",
    "held": "consecutive control steps in which the goal was reached",
    "steps": "control steps of the episode",
    "end": "end reason: 0 running, 1 success, 2 object left the table, 3 time limit",
    "pending": "actions that have not taken effect yet (only with an action delay)",
    "seed": "seed of the episode, -1 without one",
    "generator": "state of the world's random generator",
    "episode": "fact of the episode: {name}",
    "memory": "memory of the task: {name}",
    "field": "model field that differs between worlds: {name}",
}

REWARD_TERMS: dict[str, dict[str, str]] = {
    "lift": {
        "reach": "mean over the arms of exp(-4 d), d the distance from tool to grasp point [m]; 1 once the bar lies on "
        "its stand",
        "grasp": "share of the arms that hold the bar; 1 once the bar lies on its stand",
        "lift": "height of the bar, as a share of the height of the goal; 1 on its stand",
        "level": "`lift` times exp(-25 t²), t the bar's tilt [rad]",
        "goal": "`lift` times exp(-4 d), d the distance to the goal [m]",
        "release": "exp(-5 d), d the horizontal distance to the goal [m], while the bar lies on its stand and no "
        "finger touches it; for the goal `hold`, while a finger touches it",
    },
    "handoff": {
        "reach": "exp(-4 d), d the distance from the leading tool to its grasp point [m]; 1 once the stick is held",
        "pass_on": "share of the hands that have held the stick alone",
        "meet": "proximity of the stick to the meeting place and of the next arm to its free end; 1 for the last arm",
        "goal": "exp(-3 d), d the distance from the stick to its place on the pad [m], once the last arm holds it",
        "release": "the stick lies on its pad and no finger touches it",
    },
    "drawer": {
        "reach": "mean over the arms of exp(-4 d), d from tool to grasp point [m]; 1 once the cube is inside",
        "open": "opening of the named drawer, as a share of the open position; 1 once the cube is inside",
        "grasp": "an arm holds the cube; 1 once it is inside",
        "carry": "`grasp` times exp(-4 d), d the distance from the cube to its release position [m]",
        "place": "the cube lies in the drawer",
        "shut": "share by which the drawer is shut again, once the cube is inside",
        "release": "the cube lies in the shut drawer and no finger touches either",
    },
}

PHASES: dict[str, dict[str, str]] = {
    "lift": {
        "approach": "at least one arm is on its way to the bar",
        "grasp": "a gripper closes around the bar",
        "carry": "all arms hold the bar",
        "place": "all arms hold the bar over its stand",
        "release": "the bar lies on its stand, a finger still touches it",
        "done": "the bar lies on its stand and no finger touches it",
    },
    "handoff": {
        "approach": "the leading arm is on its way to the stick",
        "grasp": "its gripper closes around the stick",
        "lift": "it carries the stick to the meeting place",
        "meet": "the stick is at the meeting place",
        "transfer": "two arms hold the stick",
        "place": "the last arm carries the stick to the pad",
        "release": "the stick lies on the pad, a finger still touches it",
        "done": "the stick lies on the pad and no finger touches it",
    },
    "drawer": {
        "approach": "the puller is on its way to the handle",
        "pull": "it holds the handle, the drawer is not open yet",
        "pick": "the drawer is open, the filler is on its way to the cube",
        "carry": "the filler holds the cube",
        "place": "it holds the cube over the drawer",
        "shut": "the cube is inside, the drawer still open",
        "release": "the drawer is shut, a finger still touches it or the cube",
        "done": "the drawer is shut and no finger touches it",
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
