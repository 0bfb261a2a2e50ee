"""What cameras see: Newton's ray-traced sensor over one world's bodies, posed anew for every world.

Images are rendered world by world in one Newton model; worker threads share the worlds (Warp releases the GIL).
"""

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from teamvla_envs.geometry import matrix_from_quat, quat_from_matrix
from teamvla_envs.scene.compose import CameraSpec, Scene
from teamvla_envs.scene.looks import Skin
from teamvla_envs.scene.props import bodies_of
from teamvla_envs.sim.compile import newton_builder, scene_name
from teamvla_envs.sim.warp_setup import announce_if_slow, prepare_warp, silent_stderr

SKY = (0.80, 0.86, 0.92)  # background, sRGB
LIGHT_DIRECTION = (-0.30, 0.45, -0.84)
LIGHT_COLOR = (0.95, 0.93, 0.90)  # linear
AMBIENT_SKY, AMBIENT_GROUND = (0.42, 0.43, 0.46), (0.20, 0.19, 0.18)  # linear
CHANNELS = ("rgb", "depth", "segmentation")
MIN_SIZE, MAX_SIZE = 16, 1080
_MOST_RAYS = 16  # sets of rays that are kept
_FINE_FROM = 240  # [px] from here on images get shadows and four rays a pixel: for people, not for networks


class CameraRenderer:
    """Renders named cameras of some worlds of a scene.

    Args:
        scene: The scene.
        model: Its compiled MuJoCo model; body poses given to :meth:`render` are in its order.
        num_threads: Rendering threads, each with a Newton model of its own; ``None`` takes as many as there are cores.
        skins: What bodies show instead of their primitives.
    """

    def __init__(self, scene: Scene, model: Any, num_threads: int | None = None, skins: Sequence[Skin] = ()):
        self.scene, self._skins = scene, skins
        self._num_threads = num_threads or os.cpu_count() or 1
        self._bodies = {model.body(i).name: i for i in range(model.nbody)}
        self._painters: list[_Painter] = []
        self._pool = ThreadPoolExecutor(self._num_threads)

    def render(
        self,
        cameras: Sequence[str],
        height: int,
        width: int,
        body_pos: np.ndarray,
        body_quat: np.ndarray,
        fields: Mapping[tuple[str, str], np.ndarray],
        channel: str = "rgb",
    ) -> np.ndarray:
        """Render n worlds.

        Args:
            cameras: Camera names.
            height: Image height [px].
            width: Image width [px].
            body_pos: Positions of all bodies, shape ``(n, bodies, 3)`` [m].
            body_quat: Orientations wxyz, shape ``(n, bodies, 4)``.
            fields: Model fields that differ from world to world, first axis n.
            channel: ``"rgb"``, ``"depth"`` along the viewing axis [m], or ``"segmentation"``.

        Returns:
            Shape ``(n, cameras, height, width)`` and, for rgb, a last axis of 3: uint8 colors, float32 depths (0 where
            nothing is hit) or int32 segments: 0 nothing, then 1 + the index in :attr:`segments`.
        """
        specs = [self.scene.camera(name) for name in cameras]
        count = len(body_pos)
        threads = min(self._num_threads, max(count, 1))
        while len(self._painters) < threads:
            self._painters.append(_Painter(self.scene, self._bodies, self._skins))
        shape = (count, len(specs), height, width)
        tail, dtype = {"rgb": ((3,), np.uint8), "depth": ((), np.float32), "segmentation": ((), np.int32)}[channel]
        out = np.empty((*shape, *tail), dtype)
        if not self._painters[0].is_warm(height, width, channel):
            # The compiler warns about Newton's kernels.
            with announce_if_slow("TeamVLA: compiling the camera kernels (once) …"), silent_stderr():
                self._painters[0].paint(specs, out, [0], body_pos, body_quat, fields, channel)

        def work(thread: int) -> None:
            rows = range(thread, count, threads)
            self._painters[thread].paint(specs, out, rows, body_pos, body_quat, fields, channel)

        if threads == 1:
            work(0)
        else:
            list(self._pool.map(work, range(threads)))
        return out

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of the segments: the props, then the arms."""
        return segment_names(self.scene)

    def close(self) -> None:
        """Stop the rendering threads."""
        self._pool.shutdown()


def segment_names(scene: Scene) -> tuple[str, ...]:
    """Names of the segments of a scene: its props, then its arms."""
    return (*(prop.name for prop in scene.props), *(f"arm_{k}" for k in range(scene.num_arms)))


class _Painter:
    """One Newton model with one camera sensor; used by one thread at a time."""

    _warm: ClassVar[set[tuple[str, bool]]] = set()

    def __init__(self, scene: Scene, bodies: Mapping[str, int], skins: Sequence[Skin] = ()):
        prepare_warp()
        import newton
        import warp as wp
        from newton.sensors import SensorCamera

        self._wp, self._sensor_class = wp, SensorCamera
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
        self._segment_of_shape = np.array([*segment_of_shape, 0], np.int32)
        self._model = builder.finalize(device="cpu")
        self._state = self._model.state()
        self._shapes = {label.rsplit("/", 1)[-1]: i for i, label in enumerate(builder.shape_label)}
        self._order = np.array([bodies[name] for name in names if name is not None])
        self._bodies = bodies
        self._body_q = self._state.body_q.numpy()
        self._scale, self._color = self._model.shape_scale.numpy(), self._model.shape_color.numpy()
        self._sensor = SensorCamera(self._model)
        self._nominal_color = self._color.copy()
        self._illuminate(np.zeros(3))
        self._clear = SensorCamera.ClearData(clear_color=_pack(SKY))
        self._config = {
            samples: SensorCamera.RenderConfig(
                enable_shadows=samples > 1,
                enable_particles=False,
                anti_aliasing=SensorCamera.AntiAliasing.SSAA if samples > 1 else SensorCamera.AntiAliasing.NONE,
            )
            for samples in (1, 4)
        }
        self._rays: dict[tuple[int, int, float, int], Any] = {}
        self._images: dict[tuple[int, int, int, str], Any] = {}

    @classmethod
    def is_warm(cls, height: int, width: int, channel: str) -> bool:
        """Whether this process has already rendered such images."""
        return (channel, _samples(height, width, channel) > 1) in cls._warm

    def paint(
        self,
        cameras: Sequence[CameraSpec],
        out: np.ndarray,
        rows: Sequence[int],
        body_pos: np.ndarray,
        body_quat: np.ndarray,
        fields: Mapping[tuple[str, str], np.ndarray],
        channel: str,
    ) -> None:
        """Render the rows of ``out`` that are given."""
        height, width = out.shape[2:4]
        for row in rows:
            own = {key: values[row] for key, values in fields.items()}
            self._pose(body_pos[row], body_quat[row], own)
            seen = [_varied(camera, own) for camera in cameras]
            groups: dict[float, list[int]] = {}
            for c, camera in enumerate(seen):
                groups.setdefault(camera.fovy, []).append(c)
            for fovy, group in groups.items():
                transforms = [self._camera_pose(seen[c], body_pos[row], body_quat[row]) for c in group]
                out[row, group] = self._shoot(np.array(transforms, np.float32), height, width, fovy, channel)
        self._warm.add((channel, _samples(height, width, channel) > 1))

    def _pose(self, pos: np.ndarray, quat: np.ndarray, fields: Mapping[tuple[str, str], np.ndarray]) -> None:
        order = self._order
        self._body_q[:, :3] = pos[order]
        self._body_q[:, 3:] = quat[order][:, [1, 2, 3, 0]]
        for (field, name), value in fields.items():
            if field == "geom_size":
                self._scale[self._shapes[name]] = value
            elif field == "geom_rgba":
                self._color[self._shapes[name]] = value[:3]
            elif field == "tint":
                shape = self._shapes[name]
                self._color[shape] = (self._nominal_color[shape] + value).clip(0.0, 1.0)
            elif field == "light":
                self._illuminate(value)
        self._model.bvh_refit_shapes(self._state)

    def _illuminate(self, change: np.ndarray) -> None:
        """Set the light: relative change of brightness, then tilt of its direction along x and y [rad]."""
        bright = 1.0 + float(change[0])
        direction = np.array(LIGHT_DIRECTION) + np.array([change[1], change[2], 0.0])
        color = [bright * c for c in LIGHT_COLOR]
        self._sensor.create_default_light(enable_shadows=True, direction=_unit(direction), color=color)
        self._sensor.set_ambient_light([bright * c for c in AMBIENT_SKY], [bright * c for c in AMBIENT_GROUND])

    def _camera_pose(self, camera: CameraSpec, pos: np.ndarray, quat: np.ndarray) -> np.ndarray:
        origin, rotation = np.array(camera.pos), matrix_from_quat(np.array(camera.quat))
        if camera.body is not None:
            body = self._bodies[camera.body]
            turn = matrix_from_quat(quat[body])
            origin, rotation = pos[body] + turn @ origin, turn @ rotation
        return np.concatenate([origin, quat_from_matrix(rotation)[[1, 2, 3, 0]]])

    def _shoot(self, transforms: np.ndarray, height: int, width: int, fovy: float, channel: str) -> np.ndarray:
        wp, views, samples = self._wp, len(transforms), _samples(height, width, channel)
        rays_key = (height, width, fovy, samples)
        if rays_key not in self._rays:
            if len(self._rays) >= _MOST_RAYS:  # fields of view that vary never come back
                self._rays.pop(next(iter(self._rays)))
            self._rays[rays_key] = self._sensor_class.compute_camera_rays_pinhole(
                width, height, camera_fov=math.radians(fovy), sample_count=samples, device="cpu"
            )
        image_key = (views, height, width, channel)
        if image_key not in self._images:
            allocate = {
                "rgb": self._sensor.allocate_image_color,
                "depth": self._sensor.allocate_image_depth_forward,
                "segmentation": self._sensor.allocate_image_shape_index,
            }[channel]
            self._images[image_key] = (allocate(views, width, height), wp.zeros(views, dtype=wp.int32, device="cpu"))
        image, worlds = self._images[image_key]
        target = {"rgb": "color_image", "depth": "forward_depth_image", "segmentation": "shape_index_image"}[channel]
        self._sensor.update(
            self._state,
            wp.array(transforms, dtype=wp.transformf, device="cpu"),
            self._rays[rays_key],
            world_indices=worlds,
            clear_data=self._clear,
            render_config=self._config[samples],
            **{target: image},
        )
        pixels = image.numpy()
        if channel == "rgb":
            return pixels.view(np.uint8).reshape(*pixels.shape, 4)[..., :3]
        if channel == "segmentation":
            return self._segment_of_shape[np.minimum(pixels, len(self._segment_of_shape) - 1)]
        return pixels


def _varied(camera: CameraSpec, fields: Mapping[tuple[str, str], np.ndarray]) -> CameraSpec:
    """The camera as one world's fields shift, turn and widen it."""
    shift, turn = fields.get(("camera_shift", camera.name)), fields.get(("camera_turn", camera.name))
    widening = fields.get(("camera_fovy", camera.name))
    if shift is not None:
        camera = replace(camera, pos=tuple(np.add(camera.pos, shift)))
    if turn is not None:
        half = np.concatenate([[1.0], turn / 2])
        turned = matrix_from_quat(half / np.linalg.norm(half)) @ matrix_from_quat(np.array(camera.quat))
        camera = replace(camera, quat=tuple(quat_from_matrix(turned)))
    if widening is not None:
        camera = replace(camera, fovy=camera.fovy + float(widening))
    return camera


def _add_skins(builder: Any, skins: Sequence[Skin], names: Sequence[str | None]) -> None:
    """Add skins to a Newton builder whose bodies have these names in the scene."""
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


def _samples(height: int, width: int, channel: str) -> int:
    return 4 if channel == "rgb" and min(height, width) >= _FINE_FROM else 1


def _unit(vector: Sequence[float] | np.ndarray) -> Any:
    import warp as wp

    return wp.vec3f(*(np.array(vector) / np.linalg.norm(vector)))


def _pack(rgb: Sequence[float]) -> int:
    """A color as the renderer packs it: red in the lowest byte, opaque."""
    r, g, b = (round(255 * c) for c in rgb)
    return r | g << 8 | b << 16 | 255 << 24
