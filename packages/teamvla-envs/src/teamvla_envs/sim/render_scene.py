"""Visible shapes, light, background and sampling of camera images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from teamvla_envs.scene.compose import Scene
from teamvla_envs.scene.props import bodies_of
from teamvla_envs.scene.visual_meshes import Skin
from teamvla_envs.sim.compile import newton_builder, scene_name
from teamvla_envs.sim.warp_setup import prepare_warp

SKY = (0.80, 0.86, 0.92)  # background, sRGB
LIGHT_DIRECTION = (-0.30, 0.45, -0.84)
LIGHT_COLOR = (0.95, 0.93, 0.90)  # linear
AMBIENT_SKY, AMBIENT_GROUND = (0.42, 0.43, 0.46), (0.20, 0.19, 0.18)  # linear
_FINE_FROM = 240  # [px] from this size on images get shadows and four rays per pixel: for people, not for networks


def segment_names(scene: Scene) -> tuple[str, ...]:
    """Names of the segments of a scene: its props, then its arms."""
    return (*(prop.name for prop in scene.props), *(f"arm_{k}" for k in range(scene.num_arms)))


@dataclass(frozen=True)
class VisibleScene:
    """Shapes of one world that cameras see, before they become a Newton model.

    Attributes:
        builder: A ``newton.ModelBuilder`` in which those shapes alone are visible.
        bodies: Index of each body of the builder in the poses given to a renderer, shape ``(b,)``.
        shapes: Geom name to index of the shape.
        segments: Segment of each shape and, last, of the background, shape ``(shapes + 1,)``.
    """

    builder: Any
    bodies: np.ndarray
    shapes: Mapping[str, int]
    segments: np.ndarray


def visible_scene(scene: Scene, bodies: Mapping[str, int], skins: Sequence[Skin]) -> VisibleScene:
    """Build the visible shapes of a scene: props and arms without the arms' colliders and primitives under skins.

    Args:
        scene: The scene.
        bodies: Body name to index in the poses given to a renderer.
        skins: Surfaces that bodies show in place of their primitives.
    """
    prepare_warp()
    import newton

    builder = newton_builder(scene, visuals=True)
    owners = {body: prop.name for prop in scene.props for body in bodies_of(prop)}
    names = [scene_name(label, bodies) if label else None for label in builder.body_label]
    segments = {name: i for i, name in enumerate(segment_names(scene))}
    first_skin, dressed = builder.shape_count, {skin.body for skin in skins}
    _add_skins(builder, skins, names)
    segment_of_shape = []
    for shape, body in enumerate(builder.shape_body):
        owner = names[body] if body >= 0 else None
        visible = owner in owners or bool(builder.shape_flags[shape] & int(newton.ShapeFlags.VISIBLE))
        collides = bool(builder.shape_flags[shape] & int(newton.ShapeFlags.COLLIDE_SHAPES))
        if owner not in owners and (collides or (owner in dressed and shape < first_skin)):
            visible = False
        flag = int(newton.ShapeFlags.VISIBLE)
        builder.shape_flags[shape] = (builder.shape_flags[shape] & ~flag) | (flag if visible else 0)
        segment_of_shape.append(1 + segments[owners.get(owner, owner.split("/")[0])] if owner else 0)
    return VisibleScene(
        builder,
        np.array([bodies[name] for name in names if name is not None]),
        {label.rsplit("/", 1)[-1]: i for i, label in enumerate(builder.shape_label)},
        np.array([*segment_of_shape, 0], np.int32),
    )


def illuminate(sensor: Any, change: np.ndarray) -> None:
    """Set the light of a sensor.

    Args:
        sensor: A ``newton.sensors.SensorCamera``.
        change: Relative change of brightness, then tilt of the direction along x and y [rad], shape ``(3,)``.
    """
    bright = 1.0 + float(change[0])
    direction = np.array(LIGHT_DIRECTION) + np.array([change[1], change[2], 0.0])
    color = [bright * c for c in LIGHT_COLOR]
    sensor.create_default_light(enable_shadows=True, direction=_unit(direction), color=color)
    sensor.set_ambient_light([bright * c for c in AMBIENT_SKY], [bright * c for c in AMBIENT_GROUND])


def render_configs() -> dict[int, Any]:
    """Configurations of Newton's sensor by number of rays per pixel."""
    from newton.sensors import SensorCamera

    return {
        samples: SensorCamera.RenderConfig(
            enable_shadows=samples > 1,
            enable_particles=False,
            anti_aliasing=SensorCamera.AntiAliasing.SSAA if samples > 1 else SensorCamera.AntiAliasing.NONE,
        )
        for samples in (1, 4)
    }


def sky() -> Any:
    """Background that Newton's sensor writes where no shape is hit."""
    from newton.sensors import SensorCamera

    return SensorCamera.ClearData(clear_color=_pack(SKY))


def samples_a_pixel(height: int, width: int, channel: str) -> int:
    """Number of rays per pixel of an image [px]; with more than one there are shadows, too."""
    return 4 if channel == "rgb" and min(height, width) >= _FINE_FROM else 1


def _add_skins(builder: Any, skins: Sequence[Skin], names: Sequence[str | None]) -> None:
    """Add skins to a Newton builder; ``names`` are the names of its bodies in the scene."""
    import newton

    config = newton.ModelBuilder.ShapeConfig(density=0.0, has_shape_collision=False, has_particle_collision=False)
    meshes = {
        surface: newton.Mesh(
            surface.vertices, np.arange(len(surface.vertices)), normals=surface.normals, compute_inertia=False
        )
        for surface in {skin.surface for skin in skins}
    }
    for i, skin in enumerate(skins):
        builder.add_shape_mesh(
            names.index(skin.body), mesh=meshes[skin.surface], cfg=config, color=skin.color, label=f"skin_{i}"
        )


def _unit(vector: Sequence[float] | np.ndarray) -> Any:
    import warp as wp

    return wp.vec3f(*(np.array(vector) / np.linalg.norm(vector)))


def _pack(rgb: Sequence[float]) -> int:
    """Color in [0, 1] as the renderer packs it: red in the lowest byte, opaque."""
    r, g, b = (round(255 * c) for c in rgb)
    return r | g << 8 | b << 16 | 255 << 24
