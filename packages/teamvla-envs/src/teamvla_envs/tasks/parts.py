"""Parts of observations with their metadata: the one declaration that spaces, tables and learners derive from."""

from collections.abc import Iterable
from dataclasses import dataclass

JOINTS = 0  # size of a part with one number per joint


@dataclass(frozen=True)
class Part:
    """A named part of an observation.

    Attributes:
        name: Key of the part.
        size: Length of the part; :data:`JOINTS` for as many numbers as an arm has joints.
        unit: Unit of its numbers.
        description: Meaning in tables.
        frame: Frame in which it is given: ``"world"``, ``"object"`` …; empty where no frame applies.
        per_arm: Whether there are ``size`` numbers for each arm, arm by arm.
        goal: Whether it gives the goal away; hidden from an arm that gets no instruction.
        indicator: Whether it is no measured quantity; observation noise leaves it as it is.
        keypoint: Whether it is a point of the world, which learners may locate in images.
        velocity: Whether it is a velocity. A policy that observes it learns to continue its own motion.
        command: Whether it repeats a command of the policy; see ``velocity``.
        auxiliary: Whether policies learn to predict it from images unless configured otherwise.
    """

    name: str
    size: int
    unit: str = ""
    description: str = ""
    frame: str = ""
    per_arm: bool = False
    goal: bool = False
    indicator: bool = False
    keypoint: bool = False
    velocity: bool = False
    command: bool = False
    auxiliary: bool = False

    def length(self, num_arms: int) -> int:
        """Numbers of the part in a team of that many arms."""
        return self.size * num_arms if self.per_arm else self.size


def flagged(parts: Iterable[Part], flag: str) -> tuple[str, ...]:
    """Names of the parts with a flag, in order."""
    return tuple(part.name for part in parts if getattr(part, flag))


# Proprioception of one arm.
ARM_PARTS = (
    Part("joint_pos", JOINTS, "rad", "measured joint positions"),
    Part("joint_vel", JOINTS, "rad/s", "joint velocities", velocity=True),
    Part("gripper_opening", 1, "m", "distance between the pads"),
    Part("gripper_target", 1, "m", "commanded distance between the pads", command=True),
    Part("tool_pos", 3, "m", "position of the tool frame, between the pads", "world"),
    Part("tool_rot6d", 6, "", "first two columns of the tool's rotation matrix", "world"),
)


def goal_part(count: int) -> Part:
    """The one-hot goal of a task with that many goals."""
    return Part("goal", count, "", "one-hot goal variant", goal=True, indicator=True, auxiliary=True)
