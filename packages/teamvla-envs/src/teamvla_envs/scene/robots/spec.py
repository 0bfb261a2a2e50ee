"""Specification of one kind of robot arm: an MJCF file and the names in it that the rest of TeamVLA uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import cos, radians, sin, sqrt
from pathlib import Path

from teamvla_envs.errors import UserError
from teamvla_envs.scene.cameras import CameraSpec

ROLES = ("base", "upper_arm", "hand")


@dataclass(frozen=True)
class VisualModel:
    """Model in MuJoCo Menagerie whose meshes cameras can show instead of the robot's primitives.

    Attributes:
        folder: Folder in the menagerie.
        file: MJCF file in that folder.
        bodies: Body of the robot to the menagerie's name of it, where the two differ. Body frames are equal.
    """

    folder: str
    file: str
    bodies: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class RobotSpec:
    """One robot arm with any number of hinge joints and a parallel gripper.

    Names are those inside the MJCF file; the composed scene prefixes them (``arm_0/joint1``). Lengths in [m], angles in
    [rad], quaternions wxyz. Geoms of group 3 are colliders, all others are visual; the composer sets collision bits.
    A collider states its ``condim``, ``friction``, ``solref`` and ``solimp``: Newton's importer has other defaults.

    Attributes:
        name: Key in the robot registry.
        mjcf: The MJCF file.
        joints: The ``J`` hinge joints of the arm, base to tip, each with a position actuator and at its body's origin.
        finger_joints: The two slide joints of the gripper; each counts the travel of its finger from closed.
        gripper_tendon: Tendon whose length is the mean travel of the fingers, with a position actuator.
        base_body: Root body, placed at the identity: z up, x forward.
        upper_arm_body: First body that can hit the table; tasks watch its contacts, those of its subtree included.
        hand_body: Body that carries the fingers; tasks watch the contacts of its subtree with objects.
        tool_site: Tool frame: origin between the pads, z out of the hand, y along the opening axis.
        home: Rest posture of the arm joints, shape ``(J,)`` [rad].
        gripper_range: Smallest and largest distance between the pads [m].
        cameras: Cameras on bodies of the arm; those that differ from arm to arm by a number in the scene.
        mounted_bodies: Bodies that stand in the table for good and do not collide with it.
        tint_material: Material that takes the color of the arm, ``None`` to leave all colors as they are.
        base_radius: Distance at which the arm stands from the center of the circle of arms [m].
        visual_model: Meshes for ``looks="menagerie"``, ``None`` if there are none.

    Raises:
        UserError: The spec contradicts itself.
    """

    name: str
    mjcf: Path
    joints: tuple[str, ...]
    finger_joints: tuple[str, str]
    gripper_tendon: str
    base_body: str
    upper_arm_body: str
    hand_body: str
    tool_site: str
    home: tuple[float, ...]
    gripper_range: tuple[float, float]
    cameras: tuple[CameraSpec, ...] = ()
    mounted_bodies: tuple[str, ...] = ()
    tint_material: str | None = None
    base_radius: float = 0.70
    visual_model: VisualModel | None = None

    def __post_init__(self) -> None:
        if not self.joints or len(self.home) != len(self.joints):
            raise UserError(f"robot {self.name!r}: home has {len(self.home)} angles for {len(self.joints)} joints")
        if len(self.finger_joints) != 2:
            raise UserError(f"robot {self.name!r}: finger_joints has {len(self.finger_joints)} names, expected 2")
        if not 0 <= self.gripper_range[0] < self.gripper_range[1]:
            raise UserError(f"robot {self.name!r}: gripper_range is {self.gripper_range}, expected 0 <= low < high")

    def body(self, role: str) -> str:
        """Name of the body that plays a role.

        Args:
            role: One of ``ROLES``; any other name stands for the body of that name.

        Returns:
            Name in the MJCF file.
        """
        return getattr(self, f"{role}_body") if role in ROLES else role


def wrist_camera_quat(tilt: float) -> tuple[float, float, float, float]:
    """Orientation of a camera along the hand's z axis with the hand's x axis up in the image.

    Args:
        tilt: Pitch towards the fingers [deg].

    Returns:
        Unit quaternion wxyz in the frame of the hand.
    """
    half = radians(tilt) / 2
    return (sin(half) / sqrt(2), cos(half) / sqrt(2), cos(half) / sqrt(2), sin(half) / sqrt(2))
