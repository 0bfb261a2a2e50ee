"""Touch: every arm moves its tool above the disc of the named color, at the same time. A task with an expert."""

import numpy as np
from teamvla_envs.arrays import array_namespace
from teamvla_envs.control.expert import Expert, ToolGoals
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.props import Pad, Prop, Table
from teamvla_envs.tasks.base import Array, Arrays, InitialState, Task
from teamvla_envs.tasks.draws import Choice, Draws, Sample, Wording
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.parts import Part, goal_part
from teamvla_envs.world import WorldState

COLORS = {"green": (0.10, 0.55, 0.20, 1.0), "pink": (0.95, 0.40, 0.62, 1.0)}
DISCS = tuple(f"disc_{arm}_{place}" for arm in range(2) for place in range(2))
PLACES = np.array([[-0.25, -0.12, 0.0], [-0.25, 0.12, 0.0], [0.25, -0.12, 0.0], [0.25, 0.12, 0.0]])  # [m]
ABOVE = 0.05  # [m] height of the tool above its disc


class TouchExpert(Expert):
    """Moves straight to the discs, with the hands oriented as they are at home."""

    def tool_goals(self, world: WorldState, chains: Chains, facts: Arrays, signals: Arrays) -> ToolGoals:
        """Targets of the tools in the present state."""
        _, home = chains.frames(chains.rest[None])
        arms = array_namespace(world.joint_pos).ones_like(signals["distance"])
        return ToolGoals(
            pos=signals["target"],
            rot=home[..., :3, :3] + 0 * world.tool_rot,
            gripper=arms,
            speed=0.015 * arms,
            together=arms[:, 0] < 0,
        )


class Touch(Task):
    """Hold both tools above the discs of the color that the instruction names."""

    name = "touch"
    horizon = 100
    phases = ("reach", "done")
    expert = TouchExpert
    draws = Draws(
        goal=Choice(*COLORS),
        left=Choice("green first", "pink first", meaning="colors of the discs of arm_0"),
        right=Choice("green first", "pink first", meaning="colors of the discs of arm_1"),
        wording=Wording(),
    )
    parts = (
        Part("tool_to_disc", 3, "m", "from each tool to its target", "world", per_arm=True, goal=True, auxiliary=True),
        goal_part(2),
    )
    paraphrases = Paraphrases(
        train=("touch the {goal} discs", "both arms, go to {goal}", "each arm to its {goal} disc"),
        unseen=("reach for the discs that are {goal}",),
    )

    def props(self) -> tuple[Prop, ...]:
        """A table, and two discs in front of each arm."""
        return (Table(), *(Pad(name, tuple(place)) for name, place in zip(DISCS, PLACES.tolist(), strict=True)))

    def sample(self, d: Sample) -> InitialState:
        """Color the discs."""
        swapped = np.stack([d.left, d.right], axis=-1)
        rgba = np.array(list(COLORS.values()))
        fields = {
            ("geom_rgba", f"disc_{arm}_{place}_disc"): rgba[swapped[:, arm] ^ place]
            for arm in range(2)
            for place in range(2)
        }
        discs = 2 * np.arange(2) + (d.goal[:, None] ^ swapped)  # of the named color, one per arm
        return InitialState(body_pose={}, fields=fields, facts={"disc_pos": PLACES[discs]})

    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """Target of each tool, and the way to it."""
        xp = array_namespace(world.tool_pos)
        target = facts["disc_pos"] + xp.asarray([0.0, 0.0, ABOVE])
        way = target - world.tool_pos
        return {"target": target, "way": way, "distance": xp.sqrt(xp.sum(way * way, axis=-1))}

    def is_success(self, signals: Arrays) -> Array:
        """Both tools are within 2 cm of their targets."""
        return array_namespace(signals["distance"]).all(signals["distance"] < 0.02, axis=-1)

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """One term, which grows towards the targets."""
        xp = array_namespace(signals["distance"])
        return {"reach": (1.0, xp.mean(xp.exp(-5 * signals["distance"]), axis=-1))}

    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """The ways of the tools, and the goal."""
        xp = array_namespace(world.joint_pos)
        goal = xp.stack([facts["goal"] == 0, facts["goal"] == 1], axis=-1)
        return {
            "tool_to_disc": xp.reshape(signals["way"], (world.joint_pos.shape[0], -1)),
            "goal": xp.astype(goal, world.joint_pos.dtype),
        }
