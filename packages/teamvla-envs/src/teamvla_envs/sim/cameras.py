"""Camera images on the CPU: Newton's ray-traced sensor over the bodies of one world, posed anew for each world.

Images are rendered world by world in one Newton model per thread. The work for an image is recorded once and then
replayed, without Python and without the GIL.
"""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from teamvla_envs.cores import usable_cores
from teamvla_envs.forks import repair_after_fork
from teamvla_envs.scene.compose import Scene
from teamvla_envs.scene.visual_meshes import Skin
from teamvla_envs.sim.pinhole import camera_views, pinhole_rays
from teamvla_envs.sim.render_scene import illuminate, render_configs, samples_a_pixel, sky, visible_scene
from teamvla_envs.sim.warp_setup import WARP_LOCK, announce_if_slow, compiled_quickly, no_collection, silent_stderr

CHANNELS = ("rgb", "depth", "segmentation")
MIN_SIZE, MAX_SIZE = 16, 1080
_MOST_TARGETS = 8  # sizes and channels that a renderer keeps memory for
_MOST_LIGHTS = 64  # lights that a recording is kept for
_TARGETS = {"rgb": "color_image", "depth": "forward_depth_image", "segmentation": "shape_index_image"}


class CameraRenderer:
    """Renders named cameras of some worlds of a scene.

    Args:
        scene: The scene.
        model: Compiled MuJoCo model of the scene; body poses given to :meth:`render` are in its order.
        num_threads: Rendering threads, each with its own Newton model; ``None`` for one per usable core.
        skins: Surfaces that bodies show in place of their primitives.
    """

    def __init__(self, scene: Scene, model: Any, num_threads: int | None = None, skins: Sequence[Skin] = ()):
        self.scene, self._skins = scene, skins
        self._num_threads = num_threads or usable_cores()
        self._bodies = {model.body(i).name: i for i in range(model.nbody)}
        self._renderers: list[Renderer] = []
        self._pool = ThreadPoolExecutor(self._num_threads)
        repair_after_fork(self)

    def after_fork(self) -> None:
        """Replace the rendering threads, which do not exist in a forked child."""
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
            Shape ``(n, cameras, height, width)`` and, for rgb, a last axis of 3: uint8 colors, float32 depths [m] (0
            where nothing is hit) or int32 segments: 0 is the background, then 1 + the index in ``segment_names``.
        """
        specs = [self.scene.camera(name) for name in cameras]
        count = len(body_pos)
        threads = min(self._num_threads, max(count, 1))
        while len(self._renderers) < threads:
            self._renderers.append(Renderer(self.scene, self._bodies, self._skins))
        shape = (count, len(specs), height, width)
        tail, dtype = {"rgb": ((3,), np.uint8), "depth": ((), np.float32), "segmentation": ((), np.int32)}[channel]
        out = np.empty((*shape, *tail), dtype)
        if not self._renderers[0].is_ready(len(specs), height, width, channel):
            # The compiler warns about Newton's kernels.
            message = f"TeamVLA: compiling the kernel of {channel} images (once, about 5 s) …"
            with announce_if_slow(message), silent_stderr():
                self._renderers[0].prepare(len(specs), height, width, channel)
        poses, fovy = camera_views(specs, self._bodies, body_pos, body_quat, fields)

        def work(thread: int) -> None:
            renderer = self._renderers[thread]
            for row in range(thread, count, threads):
                renderer.pose(body_pos[row], body_quat[row], {key: values[row] for key, values in fields.items()})
                renderer.render(poses[row], fovy[row], out[row], channel)

        if threads == 1:
            work(0)
        else:
            list(self._pool.map(work, range(threads)))
        return out

    def close(self) -> None:
        """Stop the rendering threads."""
        self._pool.shutdown()


class Renderer:
    """Newton model of one world with a camera sensor; used by one thread at a time.

    Args:
        scene: The scene.
        bodies: Body name to index in the poses given to :meth:`pose`.
        skins: Surfaces that bodies show in place of their primitives.

    Attributes:
        model: The ``newton.Model`` with the shapes that cameras see.
        state: The ``newton.State`` of that model.
    """

    def __init__(self, scene: Scene, bodies: Mapping[str, int], skins: Sequence[Skin] = ()):
        with WARP_LOCK, no_collection():
            visible = visible_scene(scene, bodies, skins)
            from newton.sensors import SensorCamera

            with compiled_quickly():  # the same kernels as for the compilation of the scene
                self.model = visible.builder.finalize(device="cpu")
            self.state = self.model.state()
            self._sensor = SensorCamera(self.model)
            self._light: tuple[float, ...] = (0.0, 0.0, 0.0)
            illuminate(self._sensor, np.zeros(3))
        self._segment_of_shape, self._shapes, self._order = visible.segments, visible.shapes, visible.bodies
        self._body_q = self.state.body_q.numpy()
        self._scale, self._color = self.model.shape_scale.numpy(), self.model.shape_color.numpy()
        self._nominal_color = self._color.copy()
        self._targets: dict[tuple[int, int, int, str], RenderTarget] = {}

    def pose(self, pos: np.ndarray, quat: np.ndarray, fields: Mapping[tuple[str, str], np.ndarray]) -> None:
        """Set the state of one world.

        Args:
            pos: Positions of all bodies, shape ``(bodies, 3)`` [m].
            quat: Orientations wxyz, shape ``(bodies, 4)``.
            fields: Model fields of the world.
        """
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
            elif field == "light" and self._light != tuple(value.tolist()):
                self._light = tuple(value.tolist())
                with WARP_LOCK:
                    illuminate(self._sensor, value)

    def is_ready(self, count: int, height: int, width: int, channel: str) -> bool:
        """Whether :meth:`prepare` was called with these arguments."""
        return (count, height, width, channel) in self._targets

    def prepare(self, count: int, height: int, width: int, channel: str) -> "RenderTarget":
        """Compile and record the work for images of one size and channel.

        Args:
            count: Number of cameras.
            height: Image height [px].
            width: Image width [px].
            channel: See :meth:`CameraRenderer.render`.
        """
        key = (count, height, width, channel)
        if key not in self._targets:
            if len(self._targets) >= _MOST_TARGETS:
                self._targets.pop(next(iter(self._targets)))
            self._targets[key] = target = RenderTarget(self.model, self.state, self._sensor, *key)
            target.recording(self._light)
        return self._targets[key]

    def render(self, poses: np.ndarray, fovy: np.ndarray, out: np.ndarray, channel: str) -> None:
        """Render the present state into an array.

        Args:
            poses: Positions [m] and quaternions xyzw of the cameras, shape ``(cameras, 7)``.
            fovy: Vertical fields of view, shape ``(cameras,)`` [deg].
            out: Images to fill, shape ``(cameras, height, width)`` and, for rgb, a last axis of 3.
            channel: See :meth:`CameraRenderer.render`.
        """
        count, height, width = out.shape[:3]
        target = self.prepare(count, height, width, channel)
        pixels = target.render(poses, fovy, self._light)
        if channel == "rgb":
            out[:] = pixels.view(np.uint8).reshape(*pixels.shape, 4)[..., :3]
        elif channel == "segmentation":
            out[:] = self._segment_of_shape[np.minimum(pixels, len(self._segment_of_shape) - 1)]
        else:
            out[:] = pixels


class RenderTarget:
    """Images of one size and channel of some cameras, and the recorded work that fills them.

    Args:
        model: The ``newton.Model``.
        state: The ``newton.State`` to render.
        sensor: The ``newton.sensors.SensorCamera``.
        count: Number of cameras.
        height: Image height [px].
        width: Image width [px].
        channel: See :meth:`CameraRenderer.render`.
    """

    def __init__(self, model: Any, state: Any, sensor: Any, count: int, height: int, width: int, channel: str):
        import warp as wp

        self._wp, self._model, self._state, self._sensor, self._channel = wp, model, state, sensor, channel
        self._samples = samples_a_pixel(height, width, channel)
        self._clear, self._config = sky(), render_configs()[self._samples]
        with WARP_LOCK:
            self._world = wp.zeros(1, dtype=wp.int32, device="cpu")
            self._poses = wp.zeros(count, dtype=wp.transformf, device="cpu")
            shape = (height, width, self._samples, 2)
            self._rays = [wp.zeros(shape, dtype=wp.vec3f, device="cpu") for _ in range(count)]
            dtype = wp.float32 if channel == "depth" else wp.uint32
            self._images = wp.zeros((count, height, width), dtype=dtype, device="cpu")
        self._fovy = np.zeros(count)
        self._recordings: dict[tuple[float, ...], Any] = {}

    def render(self, poses: np.ndarray, fovy: np.ndarray, light: tuple[float, ...]) -> np.ndarray:
        """Render all cameras.

        Args:
            poses: Positions [m] and quaternions xyzw of the cameras, shape ``(cameras, 7)``.
            fovy: Vertical fields of view, shape ``(cameras,)`` [deg].
            light: Present light of the sensor; see :meth:`recording`.

        Returns:
            Pixels as the sensor writes them, shape ``(cameras, height, width)``, overwritten by the next call.
        """
        self._poses.numpy()[:] = poses
        for c in np.flatnonzero(fovy != self._fovy):
            height, width = self._images.shape[1:]
            self._rays[c].numpy()[..., 1, :] = pinhole_rays(height, width, float(fovy[c]), self._samples)
        self._fovy = fovy
        self._wp.capture_launch(self.recording(light))
        pixels: np.ndarray = self._images.numpy()
        return pixels

    def recording(self, light: tuple[float, ...]) -> Any:
        """Graph that refits the bounding volumes and renders all cameras in the sensor's present light.

        Args:
            light: Key of that light; a recording keeps using the light that it was made with.
        """
        if light not in self._recordings:
            if len(self._recordings) >= _MOST_LIGHTS:
                self._recordings.pop(next(iter(self._recordings)))
            with WARP_LOCK, no_collection(), _for_numbers_only():
                if not self._recordings:
                    self._render()  # set-up for the sensor's first image must not be recorded
                with self._wp.ScopedCapture(device="cpu") as capture:
                    self._render()
            self._recordings[light] = capture.graph
        return self._recordings[light]

    def _render(self) -> None:
        self._model.bvh_refit_shapes(self._state)
        for c, rays in enumerate(self._rays):
            self._sensor.update(
                self._state,
                self._poses[c : c + 1],
                rays,
                world_indices=self._world,
                clear_data=self._clear,
                render_config=self._config,
                **{_TARGETS[self._channel]: self._images[c : c + 1]},
            )


@contextlib.contextmanager
def _for_numbers_only() -> Generator[None, None, None]:
    """Compile kernels for finite numbers only: the ray-box test takes two instructions then, with the same pixels."""
    import warp as wp

    before = wp.config.cpu_compiler_flags, wp.config.use_precompiled_headers
    flags = "-march=native" if before[0] is None else before[0]
    wp.config.cpu_compiler_flags = f"{flags} -menable-no-nans".strip()
    wp.config.use_precompiled_headers = False  # would be compiled anew for these flags, for one kernel
    try:
        yield
    finally:
        wp.config.cpu_compiler_flags, wp.config.use_precompiled_headers = before
