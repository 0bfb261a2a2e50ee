"""Arms, props and cameras become one scene: one MJCF text and the names by which the rest addresses it."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.scene.props import COLLIDER_GROUP, Prop, Vec3
from teamvla_envs.scene.robots import get_robot
from teamvla_envs.scene.robots.spec import RobotSpec
from teamvla_envs.world import ContactPair

PHYSICS_DT = 0.004  # [s]
BASE_RADIUS = RobotSpec.base_radius  # [m] where arms stand unless their robot says otherwise
# One tint an arm, in the words that instructions use for them.
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
class CameraSpec:
    """A named camera: it looks along its -z, y is up in the image.

    Attributes:
        name: ``front``, ``overhead``, ``wrist_0`` …
        pos: Origin in the frame of ``body`` [m].
        quat: Orientation in that frame, wxyz.
        fovy: Vertical field of view [deg].
        body: Body that carries it, ``None`` for the world.
    """

    name: str
    pos: Vec3
    quat: tuple[float, float, float, float]
    fovy: float
    body: str | None = None


@dataclass(frozen=True)
class Scene:
    """What stands in one world.

    Attributes:
        xml: The complete MJCF.
        robots: One per arm.
        base_pos: Arm bases, shape ``(A, 3)`` [m].
        base_yaw: Heading of the arm bases, shape ``(A,)`` [rad].
        props: In the order in which the task lists them.
        cameras: Shared ones first, then one wrist camera an arm.
        contact_pairs: Pairs of bodies whose contacts are measured.
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

    def camera(self, name: str) -> CameraSpec:
        """The camera of that name.

        Raises:
            UserError: If there is none.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise UserError(f"cameras: unknown camera {name!r}, this scene has {[c.name for c in self.cameras]}")


def camera_quat(x_axis: Vec3, y_axis: Vec3) -> tuple[float, float, float, float]:
    """Orientation of a camera from its image axes (right and up) in its parent's frame, wxyz."""
    import numpy as np

    from teamvla_envs.geometry import quat_from_matrix

    x = np.asarray(x_axis, float) / np.linalg.norm(x_axis)
    y = np.asarray(y_axis, float) - np.dot(y_axis, x) * x
    y = y / np.linalg.norm(y)
    w, i, j, k = quat_from_matrix(np.stack([x, y, np.cross(x, y)], -1)).tolist()
    return (w, i, j, k)


def shared_cameras(num_arms: int) -> tuple[CameraSpec, ...]:
    """The cameras that every task has: ``front`` (raised for more than two arms) and ``overhead``."""
    if num_arms == 2:
        front = CameraSpec("front", (0.0, -1.55, 0.95), camera_quat((1, 0, 0), (0, 0.476, 0.8795)), 42.0)
    else:
        front = CameraSpec("front", (-1.15, -1.15, 1.25), camera_quat((1, -1, 0), (0.42, 0.42, 0.8)), 50.0)
    return (front, CameraSpec("overhead", (0.0, 0.0, 1.55), camera_quat((1, 0, 0), (0, 1, 0)), 55.0))


def compose(robots: Sequence[str], props: Sequence[Prop], contact_pairs: Sequence[ContactPair] = ()) -> Scene:
    """Put arms on a circle, facing its center, and the props among them.

    Arm ``k`` of ``K`` stands at angle ``pi + 2 pi k / K``, as far out as its robot's ``base_radius`` says. Its names
    carry the prefix ``arm_k/``.

    Args:
        robots: Robot names, one per arm.
        props: Props, added in this order.
        contact_pairs: Pairs of bodies whose contacts are measured.

    Returns:
        The scene.

    Raises:
        UserError: If a robot is unknown.
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
    base_pos, base_yaw, cameras = [], [], list(shared_cameras(len(specs)))
    for k, robot in enumerate(specs):
        angle = math.pi + 2 * math.pi * k / len(specs)
        pos = (robot.base_radius * math.cos(angle), robot.base_radius * math.sin(angle), 0.0)
        yaw = angle - math.pi
        child = mujoco.MjSpec.from_file(str(robot.mjcf))
        _prepare_arm(child, k, len(specs))
        frame = root.worldbody.add_frame(pos=pos, quat=(math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)))
        root.attach(child, prefix=f"arm_{k}/", frame=frame)
        base_pos.append(pos)
        base_yaw.append(yaw)
        cameras.append(
            CameraSpec(
                f"wrist_{k}", robot.wrist_camera_pos, robot.wrist_camera_quat, robot.wrist_camera_fovy,
                body=f"arm_{k}/{robot.hand_body}",
            )
        )  # fmt: skip
    return Scene(
        xml=spell_out(_to_xml(root)),
        robots=specs,
        base_pos=tuple(base_pos),
        base_yaw=tuple(base_yaw),
        props=tuple(props),
        cameras=tuple(cameras),
        contact_pairs=tuple(contact_pairs),
    )


def _prepare_arm(spec: Any, k: int, num_arms: int) -> None:
    """Color the arm and set its collision bits: arms touch objects, the world and one another, not themselves."""
    material = spec.material("tint")
    material.rgba = list(ARM_COLORS.values())[k % len(ARM_COLORS)]
    bit, lower = 4 << k, sum(4 << i for i in range(k))
    for geom in spec.geoms:
        if int(geom.group) != COLLIDER_GROUP:
            continue
        # The first two bodies stand in the table for good: they do not collide with it.
        fixed = geom.name.startswith(("base_", "link1_"))
        geom.contype, geom.conaffinity = bit, (0 if fixed else 1) | 2 | lower


def _to_xml(spec: Any) -> str:
    spec.compile()
    return str(spec.to_xml())


def spell_out(xml: str) -> str:
    """Write every component of the vector attributes that MuJoCo shortens.

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
