"""Loads that a team lifts together: the crate-bar for two arms, the tray for more.

Lengths in meters, masses in kilograms, inertias in kg m^2 about the center of mass.
"""

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any

import numpy as np

from teamvla_envs.scene.props import COLLIDER_GROUP, CONTACT, OBJECT_BITS, RGBA, Vec3, add_box, box_inertia


@dataclass(frozen=True)
class CrateBar:
    """A bar along x with a wide crate in its middle: too wide to grasp there, too heavy to hold level at one end.

    Attributes:
        length: Length of the bar [m].
        thickness: Width and height of the bar [m].
        crate: Full size of the middle body [m].
        mass: Total mass [kg]; ``bar_share`` of it is in the bar, the rest in the crate.
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
        add_box(body, f"{self.name}_rod", (self.length / 2, half, half), self.rgba, mass=0.0, **OBJECT_BITS)
        cx, cy, cz = self.crate
        add_box(body, f"{self.name}_crate", (cx / 2, cy / 2, cz / 2), self.crate_rgba, mass=0.0, **OBJECT_BITS)


@dataclass(frozen=True)
class Tray:
    """A round tray with radial handles at equal angles, one per arm.

    A handle is a bar from near the middle outwards, a little higher than the disc, so that the tray lies on its
    handles' flat undersides. Handle ``k`` points to the angle ``pi + 2 pi k / K``, as arm ``k`` of a team stands.

    Attributes:
        handles: Number of handles K.
        radius: Radius of the disc [m].
        height: Height of the handles [m]; the disc is ``2 * step`` lower.
        step: Distance from the faces of the handles to those of the disc [m].
        width: Width of a handle [m].
        middle: Distance from the center of the tray to that of a handle [m].
        reach: Distance from the center of the tray to the end of a handle [m].
        mass: Total mass [kg]; ``disc_share`` of it is in the disc, the rest in the handles.
    """

    handles: int
    name: str = "tray"
    pos: Vec3 = (0, 0, 0.015)
    radius: float = 0.115
    height: float = 0.03
    step: float = 0.002
    width: float = 0.03
    middle: float = 0.12
    reach: float = 0.23
    mass: float = 2.0
    disc_share: float = 0.6
    rgba: RGBA = (0.85, 0.42, 0.16, 1.0)
    handle_rgba: RGBA = (0.95, 0.75, 0.15, 1.0)

    def add_to(self, spec: Any) -> None:
        """Add the tray as a free body with explicit inertia about its center."""
        import mujoco

        body = spec.worldbody.add_body(
            name=self.name, pos=self.pos, mass=self.mass, ipos=(0, 0, 0), explicitinertial=True,
            inertia=tray_inertia(self, self.reach, self.mass),
        )  # fmt: skip
        body.add_freejoint(name=f"{self.name}_joint")
        body.add_geom(
            name=f"{self.name}_disc", type=mujoco.mjtGeom.mjGEOM_CYLINDER, rgba=self.rgba, group=COLLIDER_GROUP,
            size=(self.radius, self.height / 2 - self.step, 0), friction=[1.0, 0.005, 0.0001], mass=0.0,
            **CONTACT, **OBJECT_BITS,
        )  # fmt: skip
        for k in range(self.handles):
            angle = pi + 2 * pi * k / self.handles
            add_box(
                body, f"{self.name}_handle_{k}", (self.reach - self.middle, self.width / 2, self.height / 2),
                self.handle_rgba, pos=(self.middle * cos(angle), self.middle * sin(angle), 0),
                quat=(cos(angle / 2), 0, 0, sin(angle / 2)), mass=0.0, **OBJECT_BITS,
            )  # fmt: skip


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
        ``mass``, and the diagonal inertia about the center, shape ``(..., 3)`` [kg m^2].
    """
    rod = box_inertia(mass * bar_share, length, thickness, thickness)
    return mass, rod + box_inertia(mass * (1 - bar_share), *crate)


def tray_inertia(tray: Tray, reach: Any, mass: Any) -> Any:
    """Principal inertia of a tray: a homogeneous disc and homogeneous boxes at equal angles around it.

    Args:
        tray: Dimensions other than the following.
        reach: Distance from the center to the ends of the handles [m], scalar or shape ``(n,)``.
        mass: Total mass [kg], scalar or shape ``(n,)``.

    Returns:
        Diagonal inertia about the center, shape ``(..., 3)`` [kg m^2].
    """
    disc, handles = tray.disc_share * mass, (1 - tray.disc_share) * mass
    square = tray.radius**2
    across = disc * (square / 4 + (tray.height - 2 * tray.step) ** 2 / 12)
    along, beside, about = np.moveaxis(box_inertia(handles, 2 * (reach - tray.middle), tray.width, tray.height), -1, 0)
    # With three handles or more the plane has no preferred direction.
    across = across + (along + beside + handles * tray.middle**2) / 2
    return np.stack([across, across, disc * square / 2 + about + handles * tray.middle**2], -1)
