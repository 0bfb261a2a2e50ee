"""Images and observations of the worlds of a vector environment."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from teamvla_envs.arguments import check_choice, check_names, check_sequence
from teamvla_envs.env.exclusive import exclusive
from teamvla_envs.env.images import Images
from teamvla_envs.env.spaces import camera_spaces, check_image_size
from teamvla_envs.env.state_access import StateAccess
from teamvla_envs.errors import UserError
from teamvla_envs.sim.cameras import CHANNELS
from teamvla_envs.sim.render_scene import segment_names


class CameraAccess(StateAccess):
    """Images and observations of N worlds.

    Attributes:
        obs_mode: ``"state"``, ``"vision"`` or ``"vision+state"``.
        cameras: Names of the cameras in observations.
        all_cameras: Names of all cameras of the scene.
        image_size: Height and width of the images in observations [px].
        image_channels: Channels of the images in observations.
        render_size: Height and width of the images of :meth:`render` [px].
        render_mode: ``None`` or ``"rgb_array"``.
    """

    obs_mode: str
    cameras: tuple[str, ...]
    all_cameras: tuple[str, ...]
    image_size: tuple[int, int]
    image_channels: tuple[str, ...]
    render_size: tuple[int, int]
    render_mode: str | None
    _images: Images

    def camera_spaces(self, cameras: Sequence[str]) -> dict[str, gym.Space[Any]]:
        """Spaces of the images of some cameras, by key of the observation."""
        segments = len(segment_names(self.scene))
        return camera_spaces(self.image_channels, cameras, self.image_size, segments)

    def _observe(self) -> Any:
        """Observations of all worlds in the present state."""
        if self.obs_mode == "state":
            return self.environment_state()
        images = self._images.observe(self.image_channels, self.cameras, self.image_size, self._episodes.fields)
        obs = {**images, "agent_pos": self.agent_pos(), "instruction": tuple(self.instructions)}
        if self.obs_mode == "vision+state":
            obs["environment_state"] = self.environment_state()
        return obs

    @exclusive
    def render_cameras(
        self,
        cameras: Sequence[str],
        size: int | Sequence[int],
        worlds: Sequence[int] | np.ndarray | None = None,
        channel: str = "rgb",
    ) -> Any:
        """Render images of some worlds; see :meth:`CameraRenderer.render`.

        Args:
            cameras: Names of cameras of the scene.
            size: Height and width [px], or one number for both.
            worlds: Indices of worlds; ``None`` for all.
            channel: ``"rgb"``, ``"depth"`` [m] or ``"segmentation"``.

        Returns:
            Shape ``(n, cameras, height, width)``, rgb with a last axis of 3.

        Raises:
            UserError: If an argument has a value that is not allowed.
        """
        self._check_open()
        names, size = check_names("cameras", cameras, self.all_cameras), check_image_size(size, "size")
        if not names:
            raise UserError("cameras: got none, expected a name or several")
        check_choice("channel", channel, CHANNELS)
        _ = self.world
        if worlds is None:
            rows = np.arange(self.num_envs)
        else:
            rows = np.array([self._check_world(w) for w in check_sequence("worlds", worlds, "numbers of worlds")], int)
        return self._images.render(names, size, rows, self._episodes.fields, channel)

    @exclusive
    def body_poses(self, world: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``(bodies, 3)`` [m] and quaternions wxyz ``(bodies, 4)`` of all bodies of one world's model."""
        self._check_open()
        pos, quat = self.simulator.body_transforms(np.array([self._check_world(world)]))
        return self.simulator.to_host(pos)[0], self.simulator.to_host(quat)[0]

    def render_frames(
        self, camera: str = "front", size: int | Sequence[int] = 480, worlds: Sequence[int] | None = None
    ) -> np.ndarray:
        """One camera's images of some worlds on the host, shape ``(n, height, width, 3)`` uint8."""
        return self.simulator.to_host(self.render_cameras((camera,), size, worlds)[:, 0])

    def render(self) -> tuple[np.ndarray, ...] | None:
        """One front image of each world, ``(height, width, 3)`` uint8 of ``render_size``, in ``rgb_array`` mode."""
        if self.render_mode is None:
            gym.logger.warn("render() was called without render_mode; make the environment with 'rgb_array'")
            return None
        return tuple(self.render_frames(size=self.render_size))
