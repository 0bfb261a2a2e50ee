"""Props: small frozen descriptions of objects and furniture that add themselves to an MJCF.

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
    """An object or piece of furniture: a body called ``name`` in the MJCF."""

    @property
    def name(self) -> str:
        """Name of the body."""
        ...

    def add_to(self, spec: Any) -> None:
        """Add the prop to a ``mujoco.MjSpec``."""
        ...


def bodies_of(prop: Prop) -> tuple[str, ...]:
    """Names of all bodies of a prop: its ``bodies`` if it has several, else the body of its name."""
    bodies: tuple[str, ...] = getattr(prop, "bodies", (prop.name,))
    return bodies


def add_box(body: Any, name: str, half_size: Vec3, rgba: RGBA, *, pos: Vec3 = (0, 0, 0), **kwargs: Any) -> Any:
    """Add a colliding box to a body.

    Args:
        body: A body of a ``mujoco.MjSpec``.
        name: Name of the geom.
        half_size: Half sizes along x, y, z [m].
        rgba: Color in [0, 1].
        pos: Center in the frame of the body [m].
        **kwargs: Further arguments of ``add_geom``.
    """
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
        add_box(body, "table_top", (*self.half_size, self.thickness / 2), self.rgba, **WORLD_BITS)


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
        add_box(
            body, f"{self.name}_block", (*self.half_size, self.depth / 2), self.rgba,
            pos=(0, 0, -self.depth / 2), **WORLD_BITS,
        )  # fmt: skip


@dataclass(frozen=True)
class Stick:
    """A square stick along x.

    Attributes:
        length: Size along x [m].
        width: Size along y and z [m].
        mass: Mass [kg].
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
        add_box(body, f"{self.name}_box", (self.length / 2, half, half), self.rgba, mass=0.0, **OBJECT_BITS)


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


@dataclass(frozen=True)
class Cube:
    """A cube.

    Attributes:
        size: Length of an edge [m].
        mass: Mass [kg].
    """

    name: str
    pos: Vec3 = (0, 0, 0.019)
    size: float = 0.038
    mass: float = 0.1
    rgba: RGBA = (0.95, 0.75, 0.15, 1.0)

    def add_to(self, spec: Any) -> None:
        """Add the cube as a free body."""
        body = spec.worldbody.add_body(
            name=self.name, pos=self.pos, mass=self.mass, ipos=(0, 0, 0),
            inertia=box_inertia(self.mass, self.size, self.size, self.size), explicitinertial=True,
        )  # fmt: skip
        body.add_freejoint(name=f"{self.name}_joint")
        half = self.size / 2
        add_box(body, f"{self.name}_box", (half, half, half), self.rgba, mass=0.0, **OBJECT_BITS)


@dataclass(frozen=True)
class Handle:
    """An upright square post on a bracket, in front of a drawer.

    Attributes:
        x: Position along the front [m].
        stand_off: Distance from the front to the middle of the post [m].
        height: Height of the middle of the post above the drawer's underside [m].
        length: Length of the post [m].
        width: Width of the post [m].
    """

    x: float
    stand_off: float
    height: float
    length: float
    width: float = 0.02


@dataclass(frozen=True)
class Cabinet:
    """A cabinet of stacked drawers that slide out along -y and that springs pull shut.

    Its body origin is on the table, below the middle of the front. Drawer ``i`` is a body called ``drawers[i]`` with
    the slide joint ``<drawer>_slide``; its origin is the middle of the lower front edge, y into the cabinet. A drawer
    touches objects and arms, but neither the cabinet nor the table.

    Attributes:
        drawers: Names of the drawers, from the lowest.
        handles: Handles, one per drawer.
        size: Size of a drawer along x, y, z [m].
        wall: Thickness of floor, walls and front of a drawer [m]; side and back walls are ``side`` high [m].
        bottom: Height of the lowest drawer's underside [m].
        pitch: Distance from one drawer to the next [m].
        travel: Range of the slide [m].
        mass: Mass of a drawer [kg].
        stiffness: Stiffness of the spring [N/m], which is relaxed at ``spring_ref`` [m].
        damping: Damping of the slide [N s/m].
        friction: Dry friction of the slide [N].
        armature: Mass added to the slide [kg].
    """

    name: str = "cabinet"
    pos: Vec3 = (0, 0.30, 0)
    drawers: tuple[str, ...] = ("drawer_bottom", "drawer_top")
    handles: tuple[Handle, ...] = (Handle(-0.10, 0.12, 0.055, 0.07), Handle(0.10, 0.06, 0.09, 0.08))
    size: Vec3 = (0.26, 0.22, 0.07)
    wall: float = 0.008
    side: float = 0.05
    bottom: float = 0.01
    pitch: float = 0.10
    travel: float = 0.20
    mass: float = 0.5
    stiffness: float = 20.0
    spring_ref: float = -0.05
    damping: float = 8.0
    friction: float = 0.5
    armature: float = 0.1
    rgba: RGBA = (0.55, 0.47, 0.40, 1.0)
    inside_rgba: RGBA = (0.80, 0.78, 0.74, 1.0)
    front_rgba: RGBA = (0.93, 0.93, 0.93, 1.0)

    @property
    def bodies(self) -> tuple[str, ...]:
        """Names of the cabinet's body and those of its drawers."""
        return (self.name, *self.drawers)

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the slide joints, from the lowest; 0 is shut."""
        return tuple(f"{drawer}_slide" for drawer in self.drawers)

    def origin(self, drawer: int) -> Vec3:
        """Origin of a shut drawer in the world [m]."""
        x, y, z = self.pos
        return x, y, z + self.bottom + drawer * self.pitch

    def add_to(self, spec: Any) -> None:
        """Add the cabinet as a static body and the drawers as bodies that slide."""
        width, depth, height = self.size
        body = spec.worldbody.add_body(name=self.name, pos=self.pos)
        roof = self.bottom + len(self.drawers) * self.pitch - 0.02
        half, gap = 0.005, 0.005  # [m] half the thickness of a plate, and the clearance next to and behind a drawer
        reach = (depth + gap + 2 * half) / 2
        for sign, side in ((-1, "left"), (1, "right")):
            x = sign * (width / 2 + gap + half)
            add_box(
                body, f"{self.name}_{side}", (half, reach, roof / 2), self.rgba, pos=(x, reach, roof / 2), **WORLD_BITS
            )
        wide = width / 2 + gap + 2 * half
        add_box(
            body, f"{self.name}_back", (width / 2 + gap, half, roof / 2), self.rgba,
            pos=(0, depth + gap + half, roof / 2), **WORLD_BITS,
        )  # fmt: skip
        add_box(body, f"{self.name}_roof", (wide, reach, half), self.rgba, pos=(0, reach, roof + half), **WORLD_BITS)
        for i, drawer in enumerate(self.drawers):
            sliding = spec.worldbody.add_body(
                name=drawer, pos=self.origin(i), mass=self.mass, ipos=(0, depth / 2, height / 3),
                inertia=box_inertia(self.mass, width, depth, height), explicitinertial=True,
            )  # fmt: skip
            _slide(sliding, self, self.joints[i])
            self._add_box_to(sliding, drawer, self.handles[i])

    def _add_box_to(self, body: Any, drawer: str, handle: Handle) -> None:
        (width, depth, height), t = self.size, self.wall / 2
        bits: dict[str, Any] = {"mass": 0.0, **WORLD_BITS}
        walls: dict[str, tuple[Vec3, Vec3]] = {  # half sizes and positions
            "floor": ((width / 2, depth / 2, t), (0, depth / 2, t)),
            "left": ((t, depth / 2, self.side / 2), (t - width / 2, depth / 2, self.side / 2)),
            "right": ((t, depth / 2, self.side / 2), (width / 2 - t, depth / 2, self.side / 2)),
            "back": ((width / 2, t, self.side / 2), (0, depth - t, self.side / 2)),
        }
        for part, (half_size, pos) in walls.items():
            add_box(body, f"{drawer}_{part}", half_size, self.inside_rgba, pos=pos, **bits)
        add_box(body, f"{drawer}_front", (width / 2, t, height / 2), self.front_rgba, pos=(0, t, height / 2), **bits)
        half, low = handle.width / 2, handle.height - handle.length / 2 + handle.width / 2
        bracket = (handle.stand_off - half) / 2
        add_box(
            body, f"{drawer}_bracket", (half, bracket, half), self.front_rgba, pos=(handle.x, -bracket, low), **bits
        )
        add_box(
            body, f"{drawer}_post", (half, half, handle.length / 2), self.front_rgba,
            pos=(handle.x, -handle.stand_off, handle.height), **bits,
        )  # fmt: skip


def _slide(body: Any, cabinet: Cabinet, name: str) -> None:
    import mujoco

    body.add_joint(
        name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=(0, -1, 0), range=(0, cabinet.travel), limited=True,
        stiffness=cabinet.stiffness, springref=cabinet.spring_ref, damping=cabinet.damping,
        frictionloss=cabinet.friction, armature=cabinet.armature,
    )  # fmt: skip


def box_inertia(mass: Any, x: Any, y: Any, z: Any) -> Any:
    """Principal inertia of homogeneous boxes.

    Args:
        mass: Mass [kg], scalar or any shape.
        x: Full size along x [m], broadcast with ``mass``, as are ``y`` and ``z``.
        y: Full size along y [m].
        z: Full size along z [m].

    Returns:
        Shape ``(..., 3)`` [kg m^2].
    """
    import numpy as np

    mass, x, y, z = np.broadcast_arrays(mass, x, y, z)
    return (mass / 12.0)[..., None] * np.stack([y**2 + z**2, x**2 + z**2, x**2 + y**2], -1)
