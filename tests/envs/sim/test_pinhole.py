"""Cameras look where their bodies carry them, along the rays of Newton's pinhole camera."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.geometry import matrix_from_quat
from teamvla_envs.scene.cameras import CameraSpec
from teamvla_envs.sim.pinhole import camera_views, pinhole_rays, project_points

HALF = math.sqrt(0.5)
BODIES = {"world": 0, "hand": 1}
POS = np.array([[[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]])
QUAT = np.array([[[1.0, 0.0, 0.0, 0.0], [HALF, 0.0, 0.0, HALF]]])  # the hand is turned by 90 degrees about z


def camera(name: str, body: str | None) -> CameraSpec:
    """A camera 10 cm along x of a body or the world, not turned."""
    return CameraSpec(name, pos=(0.1, 0.0, 0.0), quat=(1.0, 0.0, 0.0, 0.0), fovy=60.0, body=body)


def test_a_carried_camera_moves_with_its_body_and_another_does_not():
    poses, fovy = camera_views([camera("wrist", "hand"), camera("front", None)], BODIES, POS, QUAT, {})
    assert poses.dtype == np.float32
    assert_allclose(poses[0, 0], [1.0, 2.1, 3.0, 0.0, 0.0, HALF, HALF], atol=1e-6)
    assert_allclose(poses[0, 1], [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], atol=1e-6)
    assert_array_equal(fovy, [[60.0, 60.0]])


def test_a_world_shifts_turns_and_widens_its_own_cameras():
    fields = {
        ("camera_shift", "front"): np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5]]),
        ("camera_turn", "front"): np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]),  # half of it is 45 degrees' tangent
        ("camera_fovy", "front"): np.array([0.0, 5.0]),
    }
    poses, fovy = camera_views(
        [camera("front", None)], BODIES, np.tile(POS, (2, 1, 1)), np.tile(QUAT, (2, 1, 1)), fields
    )
    assert_allclose(poses[0, 0], [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], atol=1e-6)
    assert_allclose(poses[1, 0], [0.1, 0.0, 0.5, 0.0, 0.0, HALF, HALF], atol=1e-6)
    assert_array_equal(fovy, [[60.0], [65.0]])


@pytest.mark.slow  # Newton's kernels for rays take seconds to compile
@pytest.mark.parametrize("samples", [1, 4])
def test_rays_are_those_of_newtons_camera(samples: int):
    from teamvla_envs.sim.warp_setup import prepare_warp, silent_stderr

    prepare_warp()
    from newton.sensors import SensorCamera

    with silent_stderr():
        expected: Any = SensorCamera.compute_camera_rays_pinhole(
            24, 16, camera_fov=math.radians(42.0), sample_count=samples, device="cpu"
        )
    assert_allclose(pinhole_rays(16, 24, 42.0, samples), expected.numpy()[..., 1, :], atol=1e-6)


def test_a_point_on_the_ray_of_a_pixel_is_projected_into_its_middle():
    views, fovy = camera_views([camera("wrist", "hand"), camera("front", None)], BODIES, POS, QUAT, {})
    rays = pinhole_rays(12, 16, 60.0, samples=1)[:, :, 0]
    for view, angle in zip(views[0], fovy[0], strict=True):
        x, y, z, w = view[3:]
        turn = matrix_from_quat(np.array([w, x, y, z]))
        points = view[:3] + 0.7 * rays @ turn.T
        places = project_points(points, view[None, None], angle, aspect=16 / 12)
        columns, rows = np.meshgrid((np.arange(16) + 0.5) / 16, (np.arange(12) + 0.5) / 12)
        assert_allclose(places, np.stack([columns, rows], axis=-1), atol=1e-5)


def test_a_point_behind_the_camera_is_nowhere():
    views, fovy = camera_views([camera("front", None)], BODIES, POS, QUAT, {})
    assert np.isnan(project_points(np.array([0.1, 0.0, 1.0]), views[0, 0], fovy[0, 0], 1.0)).all()
