"""Nudge: push the cube onto the pad that the instruction names. A task without an expert."""

import numpy as np
from teamvla_envs.arrays import array_namespace
from teamvla_envs.scene.props import Cube, Pad, Prop, Table
from teamvla_envs.tasks.base import Array, Arrays, InitialState, Task
from teamvla_envs.tasks.draws import Choice, Draws, Sample, Uniform, Wording
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.parts import Part, goal_part
from teamvla_envs.world import WorldState

CUBE_SIZE = 0.038  # [m]
PADS = np.array([[0.0, -0.25, CUBE_SIZE / 2], [0.0, 0.25, CUBE_SIZE / 2]])  # [m] positions of a cube on each pad


class Nudge(Task):
    """Push the cube onto the front or the back pad.

    Success is the cube lying within 5 cm of the center of the named pad for 0.4 s.
    """

    name = "nudge"
    bodies = ("cube",)
    horizon = 150
    draws = Draws(
        x=Uniform(-0.05, 0.05, "m", scaled_by="poses", meaning="cube, x"),
        y=Uniform(-0.05, 0.05, "m", scaled_by="poses", meaning="cube, y"),
        goal=Choice("front", "back"),
        wording=Wording(),
    )
    parts = (
        Part("object_pos", 3, "m", "center of the cube", "world", keypoint=True),
        Part("object_to_goal", 3, "m", "from the cube to the goal", "world", goal=True),
        goal_part(2),
    )
    paraphrases = Paraphrases(
        train=("push the cube onto the {goal} pad", "move the cube to the {goal}", "{goal} pad, please"),
        unseen=("the cube belongs on the pad at the {goal}",),
    )

    def props(self) -> tuple[Prop, ...]:
        """Table, cube and two pads."""
        front, back = PADS.tolist()
        return (Table(), Cube("cube", size=CUBE_SIZE), Pad("front", (*front[:2], 0.0)), Pad("back", (*back[:2], 0.0)))

    def sample(self, d: Sample) -> InitialState:
        """Place the cube near the center of the table."""
        zero = np.zeros(len(d))
        pose = np.stack([d.x, d.y, zero + CUBE_SIZE / 2, zero + 1, zero, zero, zero], axis=-1)
        return InitialState(body_pose={"cube": pose}, fields={}, facts={"goal_pos": PADS[d.goal]})

    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """Position of the cube and its way to the goal."""
        xp = array_namespace(world.body_pos)
        to_goal = facts["goal_pos"] - world.body_pos[:, 0]
        return {
            "pos": world.body_pos[:, 0],
            "to_goal": to_goal,
            "distance": xp.sqrt(xp.sum(to_goal * to_goal, axis=-1)),
        }

    def is_success(self, signals: Arrays) -> Array:
        """The cube is within 5 cm of the goal."""
        return signals["distance"] < 0.05

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """One term, which grows towards the goal."""
        return {"goal": (1.0, array_namespace(signals["distance"]).exp(-5 * signals["distance"]))}

    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """Cube and goal."""
        xp = array_namespace(world.body_pos)
        goal = xp.stack([facts["goal"] == 0, facts["goal"] == 1], axis=-1)
        return {
            "object_pos": signals["pos"],
            "object_to_goal": signals["to_goal"],
            "goal": xp.astype(goal, world.body_pos.dtype),
        }
