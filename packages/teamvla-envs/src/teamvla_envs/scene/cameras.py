"""Cameras of a scene: those that every scene has, in one table, and those of installed packages.

A camera is one row of ``SHARED_CAMERAS``, one entry of :attr:`RobotSpec.cameras` or :meth:`Task.cameras`, one call of
:func:`register_camera`, or one entry point of the group ``teamvla.cameras`` that names a :class:`CameraSpec`::

    [project.entry-points."teamvla.cameras"]
    side = "my_cameras:SIDE"

Random poses of cameras come from streams keyed by the camera's name, so a further camera changes no seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from teamvla_envs.entry_points import installed, load
from teamvla_envs.errors import UserError
from teamvla_envs.geometry import quat_from_matrix
from teamvla_envs.scene.props import Vec3

CAMERA_GROUP = "teamvla.cameras"
Quat = tuple[float, float, float, float]


@dataclass(frozen=True)
class CameraSpec:
    """Pinhole camera; it looks along its -z axis, and its y axis points up in the image.

    Attributes:
        name: Key of its images. A robot's camera ``wrist`` is ``wrist_0`` on the first arm.
        pos: Origin in the frame of ``body`` [m].
        quat: Orientation in that frame, wxyz.
        fovy: Vertical field of view [deg].
        body: Body that carries it, ``None`` for the world.
        by_default: Whether observations contain it if the argument ``cameras`` is not given.
        arm_counts: Team sizes whose scenes have it, ``None`` for all.
        arm: Index of the arm that carries it; set when the scene is composed.
    """

    name: str
    pos: Vec3
    quat: Quat
    fovy: float
    body: str | None = None
    by_default: bool = False
    arm_counts: tuple[int, ...] | None = None
    arm: int | None = None

    @property
    def own_name(self) -> str:
        """Name without the number of the arm: the key in the observation of the arm that carries it."""
        return self.name if self.arm is None else self.name.removesuffix(f"_{self.arm}")


def camera_quat(x_axis: Sequence[float], y_axis: Sequence[float]) -> Quat:
    """Orientation of a camera from its image axes.

    Args:
        x_axis: Direction to the right of the image in the parent's frame, of any length.
        y_axis: Direction up in the image; its component along ``x_axis`` is removed.

    Returns:
        Unit quaternion wxyz.
    """
    x = np.asarray(x_axis, float) / np.linalg.norm(x_axis)
    y = np.asarray(y_axis, float) - np.dot(y_axis, x) * x
    y = y / np.linalg.norm(y)
    w, i, j, k = quat_from_matrix(np.stack([x, y, np.cross(x, y)], -1)).tolist()
    return (w, i, j, k)


SHARED_CAMERAS = [
    CameraSpec(
        "front", (0.0, -1.55, 0.95), camera_quat((1, 0, 0), (0, 0.476, 0.8795)), 42.0, by_default=True, arm_counts=(2,)
    ),
    CameraSpec(
        "front", (-1.15, -1.15, 1.25), camera_quat((1, -1, 0), (0.42, 0.42, 0.8)), 50.0, by_default=True,
        arm_counts=(1, 3, 4),
    ),
    CameraSpec("overhead", (0.0, 0.0, 1.55), camera_quat((1, 0, 0), (0, 1, 0)), 55.0),
]  # fmt: skip


def register_camera(camera: CameraSpec) -> None:
    """Add a camera to every scene that is composed from now on.

    Args:
        camera: A camera that stands in the world or on a body that every scene has.

    Raises:
        ValueError: The name is taken, or is not an identifier.
    """
    taken = sorted({known.name for known in (*SHARED_CAMERAS, *_installed_cameras())})
    if not camera.name.isidentifier() or camera.name in taken:
        raise UserError(f"camera: got name {camera.name!r}, expected an identifier other than {', '.join(taken)}")
    SHARED_CAMERAS.append(camera)


def deregister_camera(name: str) -> None:
    """Remove a camera from scenes that are composed from now on.

    Args:
        name: Name of a built-in or registered camera.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in (known := [camera.name for camera in SHARED_CAMERAS]):
        raise UserError(f"camera: got {name!r}, expected one of {', '.join(dict.fromkeys(known))}")
    SHARED_CAMERAS[:] = [camera for camera in SHARED_CAMERAS if camera.name != name]


def shared_cameras(num_arms: int) -> tuple[CameraSpec, ...]:
    """Built-in, registered and installed cameras of the scenes of a team with this number of arms."""
    known = (*SHARED_CAMERAS, *_installed_cameras())
    return tuple(camera for camera in known if camera.arm_counts is None or num_arms in camera.arm_counts)


@lru_cache
def _installed_cameras() -> tuple[CameraSpec, ...]:
    """Cameras of installed packages, sorted by name; looked up once, since a scan of all packages takes 15 ms."""
    return tuple(load(entry, CameraSpec, "camera") for _, entry in sorted(installed(CAMERA_GROUP).items()))
