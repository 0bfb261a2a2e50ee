"""Touch: every arm puts its tool above the disc that the sentence tells it, at the same time."""

import numpy as np
import teamvla_envs
from teamvla_envs.arrays import array_namespace
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.props import Pad, Prop, Table
from teamvla_envs.tasks.base import Array, Arrays, InitialState, Task, ToolGoals, pick
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.world import WorldState

COLORS = {"green": (0.10, 0.55, 0.20, 1.0), "pink": (0.95, 0.40, 0.62, 1.0)}
NAMES = tuple(COLORS)
DISCS = tuple(f"disc_{arm}_{place}" for arm in range(2) for place in range(2))
PLACES = np.array([[-0.25, -0.12, 0.0], [-0.25, 0.12, 0.0], [0.25, -0.12, 0.0], [0.25, 0.12, 0.0]])  # [m]
ABOVE = 0.05  # [m] how far above its disc a tool has to be
TOUCH = Paraphrases(
    train=("touch the {color} discs", "both arms, go to {color}", "each arm to its {color} disc"),
    unseen=("reach for the discs that are {color}",),
)


class Touch(Task):
    """Hold both tools above the discs of the color that the sentence names."""

    name = "touch"
    goals = NAMES
    phases = ("reach", "done")
    bodies = ()  # free bodies whose poses the task reads
    draws = 4  # uniform numbers that a start consumes
    goal_parts = ("goal", "tool_to_disc")  # parts of the state that give the goal away
    horizon = 100

    def props(self) -> tuple[Prop, ...]:
        """A table, and two discs in front of each arm."""
        return (Table(), *(Pad(name, tuple(place)) for name, place in zip(DISCS, PLACES.tolist(), strict=True)))

    def contact_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of bodies whose contact is measured: what should not touch."""
        return (("arm_0/base", "arm_1/base"), ("arm_0/link2", "table"), ("arm_1/link2", "table"))

    def sample(self, u: np.ndarray) -> InitialState:
        """Draw the goal, and which disc has which color."""
        goal, swapped = pick(u[:, 0], 2), np.stack([pick(u[:, 1], 2), pick(u[:, 2], 2)], -1)
        rgba = np.array(list(COLORS.values()))
        fields = {
            ("geom_rgba", f"disc_{arm}_{place}_disc"): rgba[swapped[:, arm] ^ place]
            for arm in range(2)
            for place in range(2)
        }
        discs = 2 * np.arange(2) + (goal[:, None] ^ swapped)  # of the named color, one per arm
        facts = {"goal": goal, "disc_pos": PLACES[discs], "wording": u[:, 3]}
        return InitialState(body_pose={}, fields=fields, facts=facts)

    def instruction(self, facts: Arrays, world: int) -> str:
        """The sentence of one world."""
        return TOUCH.choose(float(facts["wording"][world]), self.split, color=NAMES[int(facts["goal"][world])])

    def sentences(self, facts: Arrays, world: int) -> tuple[str, ...]:
        """All sentences that would have been true."""
        return TOUCH.every(self.split, color=NAMES[int(facts["goal"][world])])

    def initial_memory(self, n: int) -> dict[str, np.ndarray]:
        """Nothing has to be remembered."""
        return {}

    def update_memory(self, signals: Arrays) -> dict[str, Array]:
        """Nothing has to be remembered."""
        return {}

    def signals(self, world: WorldState, facts: Arrays, memory: Arrays) -> dict[str, Array]:
        """What every other method reads."""
        xp = array_namespace(world.tool_pos)
        target = facts["disc_pos"] + xp.asarray([0.0, 0.0, ABOVE])
        way = target - world.tool_pos
        return {"target": target, "way": way, "distance": xp.sqrt(xp.sum(way * way, axis=-1))}

    def is_success(self, signals: Arrays) -> Array:
        """Both tools are within 2 cm."""
        return array_namespace(signals["distance"]).all(signals["distance"] < 0.02, axis=-1)

    def hold_steps(self, facts: Arrays) -> Array:
        """0.4 s."""
        return 0 * facts["goal"] + 10

    def reward_terms(self, signals: Arrays) -> dict[str, tuple[float, Array]]:
        """Name to weight and value in [0, 1]."""
        xp = array_namespace(signals["distance"])
        return {"reach": (1.0, xp.mean(xp.exp(-5 * signals["distance"]), axis=-1))}

    def phase(self, signals: Arrays) -> Array:
        """Index into ``phases``."""
        return array_namespace(signals["distance"]).where(self.is_success(signals), 1, 0)

    def state_parts(self, world: WorldState, facts: Arrays, signals: Arrays) -> dict[str, Array]:
        """The privileged observation."""
        xp = array_namespace(world.joint_pos)
        n = world.joint_pos.shape[0]
        goal = xp.astype(facts["goal"][:, None] == xp.arange(2), world.joint_pos.dtype)
        return {"tool_to_disc": xp.reshape(signals["way"], (n, -1)), "goal": goal}

    def tool_goals(self, world: WorldState, chains: Chains, facts: Arrays, signals: Arrays) -> ToolGoals:
        """The expert: straight to the disc, hands as they are at home."""
        xp = array_namespace(world.joint_pos)
        _, home = chains.frames(chains.rest[None])
        arms = xp.ones_like(signals["distance"])
        return ToolGoals(
            pos=signals["target"],
            rot=home[..., :3, :3] + 0 * world.tool_rot,
            gripper=arms,
            speed=0.015 * arms,
            together=arms[:, 0] < 0,
        )


if __name__ == "__main__":
    teamvla_envs.register_task("touch", Touch)
    env = teamvla_envs.vector_env("touch", 8, autoreset_mode="Disabled")
    _, info = env.reset(seed=0)
    while not info["end_reason"].astype(bool).all():
        _, _, _, _, info = env.step(env.expert_actions())
    print(f"{info['is_success'].sum()} of {env.num_envs} solved")
    env.close()
