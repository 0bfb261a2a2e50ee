"""Camera images on a device: Newton's ray-traced sensor over N copies of the scene."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from teamvla_envs.geometry import matrix_from_quat, quat_from_matrix
from teamvla_envs.scene.cameras import CameraSpec
from teamvla_envs.scene.visual_meshes import Skin
from teamvla_envs.sim.device import DeviceSimulator
from teamvla_envs.sim.render_scene import illuminate, render_configs, samples_a_pixel, sky, visible_scene
from teamvla_envs.sim.warp_setup import announce_if_slow, silent_stderr
from teamvla_envs.world import ModelFields

_XYZW = [1, 2, 3, 0]  # Newton's order of a quaternion wxyz
_MOST_RAYS = 64  # sets of rays that are kept

Tensor = Any


class DeviceCameraRenderer:
    """Renders named cameras of all worlds in one launch per field of view and light.

    Fields of view and lights that vary from world to world take a launch for each value; without such randomization
    there are two or three launches in all.

    Args:
        simulator: Simulator of the worlds, on whose device images are rendered.
        skins: Surfaces that bodies show in place of their primitives.
    """

    def __init__(self, simulator: DeviceSimulator, skins: Sequence[Skin] = ()):
        import newton
        import torch
        import warp as wp
        from newton.sensors import SensorCamera

        self._wp, self._torch, self._sensor_class = wp, torch, SensorCamera
        self._sim, self.scene = simulator, simulator.scene
        template, count = simulator.template, simulator.num_worlds
        self._bodies = {template.body(i).name: i for i in range(template.nbody)}
        visible = visible_scene(simulator.scene, self._bodies, skins)
        builder = newton.ModelBuilder()
        builder.replicate(visible.builder, count)
        with simulator.scope():
            self._model = builder.finalize(device=str(simulator.device))
            self._state = self._model.state()
            self._sensor = SensorCamera(self._model)
        self._shapes, self._order = visible.shapes, simulator.to_device(visible.bodies)
        self._segments = simulator.to_device(visible.segments)
        arrays: tuple[Any, ...] = (self._state.body_q, self._model.shape_scale, self._model.shape_color)
        self._body_q, self._scale, self._color = (
            wp.to_torch(array).view(count, -1, width) for array, width in zip(arrays, (7, 3, 3), strict=True)
        )
        self._nominal_color = self._color[0].clone()
        self._clear, self._config = sky(), render_configs()
        self._rays: dict[tuple[int, int, float, int], Any] = {}
        self._lit: tuple[float, ...] | None = None
        self._warm: set[tuple[str, bool]] = set()

    def render(
        self,
        cameras: Sequence[str],
        height: int,
        width: int,
        body_pos: Tensor,
        body_quat: Tensor,
        fields: ModelFields,
        channel: str = "rgb",
    ) -> Tensor:
        """Render n worlds, at most as many as the simulator has.

        Args:
            cameras: Camera names.
            height: Image height [px].
            width: Image width [px].
            body_pos: Positions of all bodies, shape ``(n, bodies, 3)`` [m].
            body_quat: Orientations wxyz, shape ``(n, bodies, 4)``.
            fields: Model fields that differ from world to world, first axis n, on the host.
            channel: ``"rgb"``, ``"depth"`` along the viewing axis [m], or ``"segmentation"``.

        Returns:
            Shape ``(n, cameras, height, width)`` and, for rgb, a last axis of 3: uint8 colors, float32 depths [m] (0
            where nothing is hit) or int32 segments: 0 is the background, then 1 + the index in ``segment_names``.
        """
        torch, specs, count = self._torch, [self.scene.camera(name) for name in cameras], len(body_pos)
        self._pose(body_pos, body_quat, fields)
        poses = torch.stack([self._camera_poses(camera, body_pos, body_quat, fields) for camera in specs], dim=1)
        worlds = torch.arange(count, dtype=torch.int32, device=poses.device).repeat_interleave(len(specs))
        kind = torch.float32 if channel == "depth" else torch.int32
        out = torch.empty(count * len(specs), height, width, dtype=kind, device=poses.device)
        new = (channel, samples_a_pixel(height, width, channel) > 1) not in self._warm
        with ExitStack() as stack:
            if new:  # the compiler warns about Newton's kernels
                stack.enter_context(announce_if_slow("TeamVLA: compiling the camera kernels (once) …"))
                stack.enter_context(silent_stderr())
            stack.enter_context(self._sim.scope())
            self._model.bvh_refit_shapes(self._state)
            for views, fovy, light in _groups(specs, count, fields):
                self._light(light)
                chosen = slice(None) if views is None else self._sim.to_device(views)
                seen = poses.view(-1, 7)[chosen]
                out[chosen] = self._shoot(seen, worlds[chosen], height, width, fovy, channel, kind)
        self._warm.add((channel, samples_a_pixel(height, width, channel) > 1))
        out = out.view(count, len(specs), height, width)
        if channel == "rgb":
            return out.view(torch.uint8).view(*out.shape, 4)[..., :3]
        if channel == "segmentation":
            nothing = len(self._segments) - 1
            return self._segments[torch.where(out < 0, nothing, out % nothing)]
        return out

    def _pose(self, pos: Tensor, quat: Tensor, fields: ModelFields) -> None:
        """Set the states of n worlds in the first n copies of the scene; shapes as in :meth:`render`."""
        count = len(pos)
        self._body_q[:count, :, :3] = pos[:, self._order]
        self._body_q[:count, :, 3:] = quat[:, self._order][..., _XYZW]
        for (field, name), values in fields.items():
            if field == "geom_size":
                self._scale[:count, self._shapes[name]] = self._sim.to_device(values)
            elif field == "geom_rgba":
                self._color[:count, self._shapes[name]] = self._sim.to_device(values[:, :3])
            elif field == "tint":
                shape = self._shapes[name]
                color = self._nominal_color[shape] + self._sim.to_device(values)
                self._color[:count, shape] = color.clip(0.0, 1.0)

    def _camera_poses(self, camera: CameraSpec, pos: Tensor, quat: Tensor, fields: ModelFields) -> Tensor:
        """Position [m] and quaternion xyzw of a camera in n worlds, shape ``(n, 7)``."""
        to_device, torch, count = self._sim.to_device, self._torch, len(pos)
        shift = np.asarray(fields.get(("camera_shift", camera.name), np.zeros((count, 3))))
        half = np.asarray(fields.get(("camera_turn", camera.name), np.zeros((count, 3)))) / 2
        turn = np.concatenate([np.ones((count, 1)), half], axis=1)
        turned = matrix_from_quat(turn / np.linalg.norm(turn, axis=1, keepdims=True))
        origin = to_device(np.array(camera.pos) + shift)
        rotation = to_device(turned @ matrix_from_quat(np.array(camera.quat)))
        if camera.body is not None:
            body = self._bodies[camera.body]
            carrier = matrix_from_quat(quat[:, body])
            origin, rotation = pos[:, body] + (carrier @ origin[..., None])[..., 0], carrier @ rotation
        return torch.cat([origin, quat_from_matrix(rotation)[:, _XYZW]], dim=1)

    def _light(self, change: tuple[float, ...]) -> None:
        if change != self._lit:
            illuminate(self._sensor, np.array(change))
            self._lit = change

    def _shoot(
        self, poses: Tensor, worlds: Tensor, height: int, width: int, fovy: float, channel: str, kind: Any
    ) -> Tensor:
        """Render views that share a field of view [deg] in one launch; images of shape ``(views, height, width)``."""
        wp, samples = self._wp, samples_a_pixel(height, width, channel)
        key = (height, width, fovy, samples)
        if key not in self._rays:
            if len(self._rays) >= _MOST_RAYS:  # random fields of view do not recur
                self._rays.pop(next(iter(self._rays)))
            self._rays[key] = self._sensor_class.compute_camera_rays_pinhole(
                width, height, camera_fov=math.radians(fovy), sample_count=samples, device=self._sensor.device
            )
        image = self._torch.empty(len(poses), height, width, dtype=kind, device=poses.device)
        target = {"rgb": "color_image", "depth": "forward_depth_image", "segmentation": "shape_index_image"}[channel]
        self._sensor.update(
            self._state,
            wp.from_torch(poses.contiguous(), dtype=wp.transformf),
            self._rays[key],
            world_indices=wp.from_torch(worlds),
            clear_data=self._clear,
            render_config=self._config[samples],
            **{target: wp.from_torch(image, dtype=wp.float32 if channel == "depth" else wp.uint32)},
        )
        return image

    def close(self) -> None:
        """Free the rays; the garbage collector frees the rest."""
        self._rays.clear()


def _groups(
    cameras: Sequence[CameraSpec], count: int, fields: ModelFields
) -> Iterator[tuple[np.ndarray | None, float, tuple[float, ...]]]:
    """Groups of views with the same field of view [deg] and light: indices of the views, ``None`` for all."""
    key = np.zeros((count, len(cameras), 4))
    for c, camera in enumerate(cameras):
        key[:, c, 0] = camera.fovy + np.asarray(fields.get(("camera_fovy", camera.name), 0.0))
    key[..., 1:] = np.asarray(fields.get(("light", ""), np.zeros((count, 3))))[:, None]
    values, which = np.unique(key.reshape(-1, 4), axis=0, return_inverse=True)
    for group, (fovy, *light) in enumerate(values.tolist()):
        yield None if len(values) == 1 else np.flatnonzero(which.ravel() == group), fovy, tuple(light)
