"""Things that stand in the world: each prop is a small frozen description that adds itself to an MJCF.

Lengths in meters, masses in kilograms, colors rgba in [0, 1], frames: body origin in the world.
"""

from dataclasses import dataclass
from typing import Any, Protocol

RGBA = tuple[float, float, float, float]
Vec3 = tuple[float, float, float]

# Contact parameters of a stable pinch grasp, measured: 0.3 mm slip in 2.4 s with 1 kg. Collision bits: the world is
# 1/0, objects 2/3 (they touch the world and one another), arms are added by the composer.
CONTACT: dict[str, Any] = {"solref": [0.008, 1.0], "solimp": [0.95, 0.99, 0.001, 0.5, 2.0], "condim": 4}
WORLD_BITS: dict[str, Any] = {"contype": 1, "conaffinity": 0}
OBJECT_BITS: dict[str, Any] = {"contype": 2, "conaffinity": 3}
COLLIDER_GROUP, VISUAL_GROUP = 3, 2


class Prop(Protocol):
    """A thing in the scene: a body called ``name`` in the MJCF."""

    @property
    def name(self) -> str:
        """Name of the body."""
        ...

    def add_to(self, spec: Any) -> None:
        """Add the prop to a ``mujoco.MjSpec``."""
        ...


def _box(body: Any, name: str, half_size: Vec3, rgba: RGBA, *, pos: Vec3 = (0, 0, 0), **kwargs: Any) -> Any:
    import mujoco

    return body.add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_BOX, size=half_size, pos=pos, rgba=rgba, group=COLLIDER_GROUP,
        friction=kwargs.pop("friction", [1.0, 0.005, 0.0001]), **CONTACT, **kwargs,
    )  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table whose top is the plane z = 0."""

    half_size: tuple[float, float] = (1.05, 0.85)
    thickness: float = 0.04
    rgba: RGBA = (0.72, 0.66, 0.58, 1.0)
    name: str = "table"

    def add_to(self, spec: Any) -> None:
        """Add the table top; the world body carries it, so it never moves."""
        body = spec.worldbody.add_body(name=self.name, pos=(0, 0, -self.thickness / 2))
        _box(body, "table_top", (*self.half_size, self.thickness / 2), self.rgba, **WORLD_BITS)


@dataclass(frozen=True)
class Stand:
    """A block to put things on; its body origin is the center of its top face.

    The block reaches ``depth`` below its top, so that its height above the table is changed by moving the body.
    """

    name: str
    pos: Vec3
    half_size: tuple[float, float] = (0.09, 0.05)
    depth: float = 0.2
    rgba: RGBA = (0.2, 0.6, 0.3, 1.0)

    def add_to(self, spec: Any) -> None:
        """Add the stand as a static body."""
        body = spec.worldbody.add_body(name=self.name, pos=self.pos)
        _box(
            body, f"{self.name}_block", (*self.half_size, self.depth / 2), self.rgba,
            pos=(0, 0, -self.depth / 2), **WORLD_BITS,
        )  # fmt: skip


@dataclass(frozen=True)
class CrateBar:
    """A bar along x with a wide crate in its middle: too wide to grasp there, too heavy to hold level at one end.

    Attributes:
        length: Of the bar [m].
        thickness: Width and height of the bar [m].
        crate: Full size of the middle body [m].
        mass: Total [kg]; ``bar_share`` of it is in the bar, the rest in the crate.
    """

    name: str = "bar"
    pos: Vec3 = (0, 0, 0.03)
    length: float = 0.55
    thickness: float = 0.03
    crate: Vec3 = (0.20, 0.12, 0.06)
    mass: float = 0.9
    bar_share: float = 0.4
    rgba: RGBA = (0.95, 0.75, 0.15, 1.0)
    crate_rgba: RGBA = (0.85, 0.42, 0.16, 1.0)

    def add_to(self, spec: Any) -> None:
        """Add the bar as a free body with explicit inertia about its center."""
        mass, inertia = crate_bar_inertia(
            self.length, self.mass, thickness=self.thickness, crate=self.crate, bar_share=self.bar_share
        )
        body = spec.worldbody.add_body(
            name=self.name, pos=self.pos, mass=mass, ipos=(0, 0, 0), inertia=inertia, explicitinertial=True
        )
        body.add_freejoint(name=f"{self.name}_joint")
        half = self.thickness / 2
        _box(body, f"{self.name}_rod", (self.length / 2, half, half), self.rgba, mass=0.0, **OBJECT_BITS)
        cx, cy, cz = self.crate
        _box(body, f"{self.name}_crate", (cx / 2, cy / 2, cz / 2), self.crate_rgba, mass=0.0, **OBJECT_BITS)


@dataclass(frozen=True)
class Stick:
    """A square stick along x.

    Attributes:
        length: Along x [m].
        width: Along y and z [m].
        mass: [kg].
    """

    name: str
    pos: Vec3 = (0, 0, 0.0175)
    length: float = 0.175
    width: float = 0.035
    mass: float = 0.15
    rgba: RGBA = (0.95, 0.75, 0.15, 1.0)

    def add_to(self, spec: Any) -> None:
        """Add the stick as a free body."""
        inertia = box_inertia(self.mass, self.length, self.width, self.width)
        body = spec.worldbody.add_body(
            name=self.name, pos=self.pos, mass=self.mass, ipos=(0, 0, 0), inertia=inertia, explicitinertial=True
        )
        body.add_freejoint(name=f"{self.name}_joint")
        half = self.width / 2
        _box(body, f"{self.name}_box", (self.length / 2, half, half), self.rgba, mass=0.0, **OBJECT_BITS)


@dataclass(frozen=True)
class Pad:
    """A painted disc on the table that nothing collides with; its body origin is on the table."""

    name: str
    pos: Vec3
    radius: float = 0.07
    rgba: RGBA = (0.2, 0.6, 0.3, 1.0)

    def add_to(self, spec: Any) -> None:
        """Add the pad as a static body with a visual geom only."""
        import mujoco

        body = spec.worldbody.add_body(name=self.name, pos=self.pos)
        body.add_geom(
            name=f"{self.name}_disc", type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=(self.radius, 0.001, 0),
            pos=(0, 0, 0.001), rgba=self.rgba, group=VISUAL_GROUP, contype=0, conaffinity=0, mass=0.0,
        )  # fmt: skip


def box_inertia(mass: Any, x: Any, y: Any, z: Any) -> Any:
    """Principal inertia ``(..., 3)`` of homogeneous boxes of full size x, y, z [kg m^2]."""
    import numpy as np

    mass, x, y, z = np.broadcast_arrays(mass, x, y, z)
    return (mass / 12.0)[..., None] * np.stack([y**2 + z**2, x**2 + z**2, x**2 + y**2], -1)


def crate_bar_inertia(
    length: Any, mass: Any, *, thickness: float = 0.03, crate: Vec3 = (0.20, 0.12, 0.06), bar_share: float = 0.4
) -> tuple[Any, Any]:
    """Mass and principal inertia of a crate-bar of two homogeneous boxes.

    Args:
        length: Bar length [m], scalar or shape ``(n,)``.
        mass: Total mass [kg], scalar or shape ``(n,)``.
        thickness: Width and height of the bar [m].
        crate: Full size of the middle body [m].
        bar_share: Share of the mass that is in the bar.

    Returns:
        ``mass`` and the diagonal inertia ``(..., 3)`` about the center [kg m^2].
    """
    rod = box_inertia(mass * bar_share, length, thickness, thickness)
    return mass, rod + box_inertia(mass * (1 - bar_share), *crate)
