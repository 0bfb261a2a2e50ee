"""Random draws that do not belong to the task: posture, motor gains, friction, cameras, light, colors, noise, delay.

Every level consumes the same uniform numbers, so that a seed gives the same goal and instruction at every level.
Cameras, light and colors have streams of their own, keyed by the episode and by their names: adding a camera changes no
other draw.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from teamvla_envs.arrays import arange, array_namespace
from teamvla_envs.randomization import Randomization
from teamvla_envs.scene.compose import Scene

Fields = dict[tuple[str, str], np.ndarray]


class WorldDraw:
    """Draws of everything that does not belong to the task.

    Args:
        randomization: Widths of the variations.
        scene: The scene with its cameras and arms.
        colored: Names of the geoms whose colors the task sets.
    """

    def __init__(self, randomization: Randomization, scene: Scene, colored: tuple[str, ...]):
        self.randomization, self._colored = randomization, colored
        self._cameras = scene.cameras
        self._joints = (scene.num_arms, len(scene.robots[0].joints))

    @property
    def count(self) -> int:
        """Uniform numbers that a world consumes."""
        return self._own + self._skipped + 2

    @property
    def _own(self) -> int:
        """Uniform numbers of posture, gains and friction."""
        return 2 * self._joints[0] * self._joints[1] + 1

    @property
    def _skipped(self) -> int:
        """Reserved numbers between those of the arms and the noise key, which version 0.1 used for cameras and colors.

        They keep the episodes of seeds; their count depends only on the team and the task.
        """
        cameras = 2 + self._joints[0]
        return 7 * cameras + 3 * (len(self._colored) + 2)

    def __call__(self, u: np.ndarray, colors: Mapping[str, np.ndarray]) -> tuple[Fields, dict[str, np.ndarray]]:
        """Model fields and facts of n worlds from uniform numbers.

        Args:
            u: Shape ``(n, count)``, in [0, 1).
            colors: Colors drawn by the task, geom name to ``(n, 4)``.

        Returns:
            The model fields that vary, and facts: ``posture`` (n, A, J) [rad] relative to home, ``noise_key``
            (n,) uint64, ``delay`` (n,) int64.
        """
        r, joints = self.randomization, self._joints[0] * self._joints[1]
        key = np.floor(u[:, -2] * 2**52).astype(np.uint64)
        arms = (2 * u[:, : self._own] - 1).reshape(len(u), -1)
        posture, gains, friction = arms[:, :joints], arms[:, joints : 2 * joints], arms[:, 2 * joints]

        def stream(name: str, size: int) -> np.ndarray:
            return 2 * named_uniform(key, name, size) - 1

        result: Fields = {}
        if r.gains:
            result["gain", ""] = 1 + r.gains * gains.reshape(len(u), *self._joints)
        if r.friction:
            result["friction", ""] = 1 + r.friction * friction
        for camera in self._cameras:
            name = camera.name
            if r.camera_shift:
                reach = r.camera_shift * (0.2 if camera.arm is not None else 1.0)
                result["camera_shift", name] = reach * stream(f"camera_shift/{name}", 3)
            if r.camera_turn:
                result["camera_turn", name] = r.camera_turn * stream(f"camera_turn/{name}", 3)
            if r.camera_fovy:
                result["camera_fovy", name] = r.camera_fovy * stream(f"camera_fovy/{name}", 1)[:, 0]
        if r.light:
            result["light", ""] = r.light * stream("light", 3)
        if r.colors:
            for name in self._colored:
                rgb = (colors[name][:, :3] + r.colors * stream(f"color/{name}", 3)).clip(0.0, 1.0)
                result["geom_rgba", name] = np.concatenate([rgb, colors[name][:, 3:]], axis=1)
            result["tint", "table_top"] = r.colors * stream("color/table_top", 3)
        facts = {
            "posture": r.posture * posture.reshape(len(u), *self._joints),
            "noise_key": key,
            "delay": np.minimum(np.floor(u[:, -1] * (r.delay + 1)), r.delay).astype(np.int64),
        }
        return result, facts


def named_uniform(key: np.ndarray, name: str, size: int) -> np.ndarray:
    """Uniform numbers that depend only on an episode and a name.

    Args:
        key: Shape ``(n,)`` uint64, one per episode.
        name: Name of the stream.
        size: Numbers per world.

    Returns:
        Shape ``(n, size)`` float64, in [0, 1).
    """
    stream = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little", signed=True)
    seed = _splitmix(_splitmix(key.astype(np.int64)) ^ stream)
    counters = seed[:, None] + np.arange(size)
    return _shifted(_splitmix(_splitmix(counters)), 11) * 2.0**-53


def counter_noise(key: Any, step: Any, size: int, stream: int = 0) -> Any:
    """Standard normal numbers that depend only on the arguments, without a stored generator.

    Splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) as a hash of a counter, then
    the transform of Box and Muller (1958).

    Args:
        key: Shape ``(N,)`` uint64, or int64 of the same bits.
        step: Shape ``(N,)`` int64, a numpy array or torch tensor like the result.
        size: Numbers per world.
        stream: Number of one of several independent streams.

    Returns:
        Shape ``(N, size)`` float64.
    """
    xp, half = array_namespace(step), (size + 1) // 2
    # Signed, because torch has no uint64 arithmetic; both wrap around.
    seed = _splitmix(xp.astype(key, xp.int64) ^ (xp.astype(step, xp.int64) << 53)) + (stream << 32)
    counters = seed[:, None] + arange(2 * half, step)
    uniform = xp.astype(_shifted(_splitmix(_splitmix(counters)), 11), xp.float64) * 2.0**-53
    radius = xp.sqrt(-2 * xp.log1p(-uniform[:, :half]))
    angle = 2 * np.pi * uniform[:, half:]
    return xp.concat([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1)[:, :size]


def _splitmix(x: Any) -> Any:
    x = x + (0x9E3779B97F4A7C15 - 2**64)
    x = (x ^ _shifted(x, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    x = (x ^ _shifted(x, 27)) * (0x94D049BB133111EB - 2**64)
    return x ^ _shifted(x, 31)


def _shifted(x: Any, bits: int) -> Any:
    """Logical right shift of int64 numbers."""
    return (x >> bits) & (2 ** (64 - bits) - 1)
