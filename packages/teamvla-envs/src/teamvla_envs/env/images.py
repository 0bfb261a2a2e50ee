"""Lazily rendered, cached camera images of N worlds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from teamvla_envs.arrays import array_namespace
from teamvla_envs.scene.visual_meshes import Skin
from teamvla_envs.sim.make import BatchRenderer, choose_renderer
from teamvla_envs.sim.simulator import Simulator
from teamvla_envs.world import ModelFields


class Images:
    """Lazily rendered, cached camera images of a simulator's worlds.

    Args:
        simulator: Holds the worlds.
        num_threads: Threads that render; ``None`` for one per core.
        skins: Visual meshes that replace primitives.
    """

    def __init__(self, simulator: Simulator, num_threads: int | None, skins: Sequence[Skin]):
        self._sim, self._num_threads, self._skins = simulator, num_threads, skins
        self._renderer: BatchRenderer | None = None
        self._kept: dict[str, Any] = {}
        self._changed = np.ones(simulator.num_worlds, bool)

    def invalidate(self, worlds: Any) -> None:
        """Mark the cached images of some worlds as outdated; ``worlds`` indexes a ``(N,)`` array."""
        self._changed[worlds] = True

    def observe(
        self, channels: Sequence[str], cameras: Sequence[str], size: tuple[int, int], fields: ModelFields
    ) -> dict[str, dict[str, Any]]:
        """Copies of the present images: key of the observation and camera to ``(N, height, width, …)``.

        Channels, cameras and size are the same in every call.
        """
        changed = np.flatnonzero(self._changed)
        for channel in channels if cameras and len(changed) else ():
            new = self.render(cameras, size, changed, fields, channel)
            if channel not in self._kept:
                xp = array_namespace(new)
                shape = (len(self._changed), *new.shape[1:])
                self._kept[channel] = xp.zeros(shape, dtype=new.dtype, device=new.device)
            self._kept[channel][changed] = new
        self._changed[:] = False
        return {
            "pixels" if channel == "rgb" else channel: {
                name: copied(self._kept[channel][:, i]) for i, name in enumerate(cameras)
            }
            for channel in channels
        }

    def render(
        self, cameras: Sequence[str], size: tuple[int, int], worlds: np.ndarray, fields: ModelFields, channel: str
    ) -> Any:
        """Render images of some worlds, shape ``(n, cameras, height, width, …)``; fields are those of all N."""
        if self._renderer is None:
            self._renderer = choose_renderer(self._sim, self._num_threads, self._skins)
        own = {key: values[worlds] for key, values in fields.items()}
        return self._renderer.render(cameras, *size, *self._sim.body_transforms(worlds), own, channel)

    def close(self) -> None:
        """Stop worker threads."""
        if self._renderer is not None:
            self._renderer.close()


def copied(array: Any) -> Any:
    """A copy of an array of any library."""
    return array_namespace(array).asarray(array, copy=True)
