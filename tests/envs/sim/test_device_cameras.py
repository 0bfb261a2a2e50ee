"""The device's cameras: all worlds in one go, each in its own colors, sizes and light, as on the host."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def pair(task: str, **kwargs: Any) -> tuple[TeamVectorEnv, TeamVectorEnv]:
    """A host and a device environment of three worlds in the same episodes, three steps on."""
    kwargs |= {"obs_mode": "vision", "autoreset_mode": "Disabled"}
    host, device = TeamVectorEnv(task, 3, num_threads=1, **kwargs), TeamVectorEnv(task, 3, solver="warp", **kwargs)
    host.reset(seed=5)
    device.reset(seed=5)
    for _ in range(3):
        action = host.expert_actions()
        host.step(action)
        device.step(action)
    return host, device


@pytest.mark.parametrize(("task", "level"), [("lift", "default"), ("drawer", "hard")])
@pytest.mark.parametrize("channel", ["rgb", "depth", "segmentation"])
def test_they_see_what_the_host_sees(task: str, level: str, channel: str):
    host, device = pair(task, randomization=level)
    cameras = ("front", "overhead", "wrist_0", "wrist_1")
    expected = host.render_cameras(cameras, (48, 64), channel=channel)
    found = device.render_cameras(cameras, (48, 64), channel=channel).numpy()
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    difference = np.abs(found.astype(float) - expected)
    assert (difference > {"rgb": 2, "depth": 1e-3, "segmentation": 0}[channel]).mean() < 5e-3  # edges
    assert not np.array_equal(found[0], found[1])
    host.close()
    device.close()


def test_large_images_have_shadows_as_on_the_host():
    host, device = pair("handoff")
    expected, found = host.render_frames(size=240), device.render_frames(size=240)
    assert isinstance(found, np.ndarray)
    assert (np.abs(found.astype(float) - expected) > 8).mean() < 5e-3
    host.close()
    device.close()


def test_some_worlds_look_as_they_do_among_all():
    host, device = pair("lift", randomization="hard")
    everyone = device.render_cameras(("front", "wrist_1"), 32)
    assert_array_equal(device.render_cameras(("front", "wrist_1"), 32, [2, 0]), everyone[[2, 0]])
    host.close()
    device.close()
