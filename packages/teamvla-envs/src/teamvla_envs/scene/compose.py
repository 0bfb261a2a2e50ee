"""Composition of a scene from arms, props and cameras: one MJCF text and the names of its elements."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.scene.cameras import CameraSpec, shared_cameras
from teamvla_envs.scene.props import COLLIDER_GROUP, Prop, Vec3
from teamvla_envs.scene.robots import get_robot
from teamvla_envs.scene.robots.spec import RobotSpec
from teamvla_envs.scene.robots.validation import check_robot
from teamvla_envs.world import ContactPair

PHYSICS_DT = 0.004  # [s]
BASE_RADIUS = RobotSpec.base_radius  # [m] default distance of the arms from the center
# Tint of each arm, by the word that instructions use for it.
ARM_COLORS: dict[str, tuple[float, float, float, float]] = {
    "red": (0.80, 0.16, 0.14, 1.0),
    "blue": (0.13, 0.30, 0.78, 1.0),
    "purple": (0.50, 0.18, 0.62, 1.0),
    "teal": (0.05, 0.52, 0.55, 1.0),
}

_DEFAULTS = {
    "solref": (0.02, 1.0),
    "solimp": (0.9, 0.95, 0.001, 0.5, 2.0),
    "friction": (1.0, 0.005, 0.0001),
    "solreflimit": (0.02, 1.0),
    "solimplimit": (0.9, 0.95, 0.001, 0.5, 2.0),
    "solreffriction": (0.02, 1.0),
    "solimpfriction": (0.9, 0.95, 0.001, 0.5, 2.0),
}


@dataclass(frozen=True)
class Scene:
    """Arms, props and cameras of one world.

    Attributes:
        xml: The complete MJCF.
        robots: One per arm.
        base_pos: Positions of the arm bases, shape ``(A, 3)`` [m].
        base_yaw: Headings of the arm bases, shape ``(A,)`` [rad].
        props: Props in the order in which the task lists them.
        cameras: Shared cameras, those of the task, then those of each arm.
        contact_pairs: Pairs of bodies whose contacts are measured, in the order of the contact arrays.
    """

    xml: str
    robots: tuple[RobotSpec, ...]
    base_pos: tuple[Vec3, ...]
    base_yaw: tuple[float, ...]
    props: tuple[Prop, ...]
    cameras: tuple[CameraSpec, ...]
    contact_pairs: tuple[ContactPair, ...]

    @property
    def num_arms(self) -> int:
        """Number of arms."""
        return len(self.robots)

    @property
    def default_cameras(self) -> tuple[str, ...]:
        """Names of the cameras that observations contain by default."""
        return tuple(camera.name for camera in self.cameras if camera.by_default)

    def body(self, arm: int, role: str) -> str:
        """Name of the body of an arm that plays a role.

        Args:
            arm: Index of the arm.
            role: ``"base"``, ``"upper_arm"`` or ``"hand"``; any other name stands for the body of that name.

        Returns:
            Name in the scene, e.g. ``"arm_0/link2"``.
        """
        return f"arm_{arm}/{self.robots[arm].body(role)}"

    def camera(self, name: str) -> CameraSpec:
        """Camera of that name.

        Raises:
            UserError: There is none.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise UserError(f"cameras: unknown camera {name!r}, this scene has {[c.name for c in self.cameras]}")


def compose(
    robots: Sequence[str],
    props: Sequence[Prop],
    contact_pairs: Sequence[ContactPair] = (),
    cameras: Sequence[CameraSpec] = (),
) -> Scene:
    """Compose a scene: arms on a circle, facing its center, and props.

    Arm ``k`` of ``K`` stands at the angle ``pi + 2 pi k / K``, at the distance ``base_radius`` of its robot. Its names
    carry the prefix ``arm_k/``.

    Args:
        robots: Robot names, one per arm.
        props: Props, added in this order.
        contact_pairs: Pairs of bodies whose contacts are measured. A body of an arm is ``arm_k/<role>``, with the roles
            ``base``, ``upper_arm`` and ``hand``, or ``arm_k/<name in the robot's MJCF file>``.
        cameras: Further cameras that stand in the world or on a prop.

    Returns:
        The scene.

    Raises:
        UserError: A robot is unknown or lacks what its specification names, or a body or camera name is wrong.
    """
    import mujoco

    specs = tuple(get_robot(name) for name in robots)
    root = mujoco.MjSpec()
    root.modelname = "teamvla"
    root.compiler.degree = False
    root.option.timestep = PHYSICS_DT
    root.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    root.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    root.option.impratio = 10.0
    # Objects change size from world to world, and the precomputed bounding volumes of the midphase do not.
    root.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    for prop in props:
        prop.add_to(root)
    base_pos, base_yaw, placed = [], [], [*shared_cameras(len(specs)), *cameras]
    for k, robot in enumerate(specs):
        check_robot(robot)
        angle = math.pi + 2 * math.pi * k / len(specs)
        pos = (robot.base_radius * math.cos(angle), robot.base_radius * math.sin(angle), 0.0)
        yaw = angle - math.pi
        child = mujoco.MjSpec.from_file(str(robot.mjcf))
        _prepare_arm(child, robot, k)
        frame = root.worldbody.add_frame(pos=pos, quat=(math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)))
        root.attach(child, prefix=f"arm_{k}/", frame=frame)
        base_pos.append(pos)
        base_yaw.append(yaw)
        for camera in robot.cameras:
            body = f"arm_{k}/{camera.body or robot.base_body}"
            placed.append(replace(camera, name=f"{camera.name}_{k}", body=body, arm=k))
    scene = Scene(
        xml=spell_out(_to_xml(root)),
        robots=specs,
        base_pos=tuple(base_pos),
        base_yaw=tuple(base_yaw),
        props=tuple(props),
        cameras=tuple(placed),
        contact_pairs=tuple(
            replace(pair, first=_resolve(pair.first, specs), second=_resolve(pair.second, specs))
            for pair in contact_pairs
        ),
    )
    _check_names(scene, [body.name for body in root.bodies])
    return scene


def _resolve(body: str, robots: Sequence[RobotSpec]) -> str:
    """Name in the scene of a body that may be written as a role of an arm."""
    arm, slash, name = body.partition("/")
    k = arm.removeprefix("arm_")
    known = slash and k.isdecimal() and int(k) < len(robots)
    return f"{arm}/{robots[int(k)].body(name)}" if known else body


def _check_names(scene: Scene, bodies: Sequence[str]) -> None:
    """Check the names of contact pairs and cameras of a scene with these bodies."""
    carriers = [camera.body for camera in scene.cameras if camera.body is not None]
    touching = [name for pair in scene.contact_pairs for name in (pair.first, pair.second)]
    for what, names in (("contact pairs", touching), ("cameras", carriers)):
        for name in names:
            if name not in bodies:
                raise UserError(f"{what}: the scene has no body {name!r}, it has {', '.join(bodies)}")
    names = [camera.name for camera in scene.cameras]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"cameras: the scene has several cameras of the name {', '.join(map(repr, twice))}")


def _prepare_arm(spec: Any, robot: RobotSpec, k: int) -> None:
    """Color an arm and set its collision bits: arms touch objects, the world and one another, not themselves."""
    if robot.tint_material is not None:
        spec.material(robot.tint_material).rgba = list(ARM_COLORS.values())[k % len(ARM_COLORS)]
    bit, lower = 4 << k, sum(4 << i for i in range(k))
    for body in spec.bodies:
        world = 0 if body.name in robot.mounted_bodies else 1
        for i, geom in enumerate(body.geoms):
            if int(geom.group) == COLLIDER_GROUP:
                geom.name = geom.name or f"{body.name}_collider{i}"
                geom.contype, geom.conaffinity = bit, world | 2 | lower


def _to_xml(spec: Any) -> str:
    spec.compile()
    return str(spec.to_xml())


def spell_out(xml: str) -> str:
    """Spell out every component of the vector attributes that MuJoCo shortens.

    ``MjSpec.to_xml`` leaves out trailing components that equal their default; Newton's importer reads those as zero.

    Args:
        xml: An MJCF text.

    Returns:
        The same MJCF with full-length vectors.
    """
    root = ET.fromstring(xml)
    for element in root.iter():
        for key, default in _DEFAULTS.items():
            value = element.get(key)
            if value is not None:
                parts = value.split()
                element.set(key, " ".join(parts + [repr(x) for x in default[len(parts) :]]))
    return ET.tostring(root, encoding="unicode")
