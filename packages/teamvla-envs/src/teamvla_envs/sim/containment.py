"""Warp kernel that excludes broken worlds from the work that all worlds of a batch share."""

# mypy: ignore-errors
# The body of a kernel is Warp's language; its types are not Python's.

from functools import lru_cache
from typing import Any

from teamvla_envs.sim.simulator import LARGEST


@lru_cache
def containment_kernel() -> Any:
    """Make the kernel, which is launched with one thread per world.

    It marks a world whose positions or velocities are not finite or too large, and puts it at rest into the nominal
    configuration, as MuJoCo does with an unstable world: not-a-numbers pass every filter of the collision detection and
    would use up the contacts that the worlds of a batch share.
    """
    import warp as wp

    largest = LARGEST

    @wp.kernel(enable_backward=False)
    def contain(nominal: wp.array2d[float], qpos: wp.array2d[float], qvel: wp.array2d[float], broken: wp.array[int]):
        world = wp.tid()
        for i in range(qpos.shape[1]):
            if not (wp.abs(qpos[world, i]) < largest):  # true for not-a-number
                broken[world] = 1
        for i in range(qvel.shape[1]):
            if not (wp.abs(qvel[world, i]) < largest):
                broken[world] = 1
        if broken[world] != 0:
            for i in range(qpos.shape[1]):
                qpos[world, i] = nominal[world % nominal.shape[0], i]
            for i in range(qvel.shape[1]):
                qvel[world, i] = 0.0

    return contain
