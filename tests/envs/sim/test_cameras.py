"""Camera images: colors, depths and segments of randomized worlds."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim.render_scene import segment_names
from teamvla_envs.tasks.colors import SURFACE_COLORS
from teamvla_envs.tasks.lift import COLOR_NAMES

CAMERAS = ("front", "overhead", "wrist_0", "wrist_1")
WORLDS = 4


@pytest.fixture(scope="module")
def env() -> Iterator[TeamVectorEnv]:
    """Four worlds at the beginning of their episodes."""
    env = TeamVectorEnv("lift", WORLDS, num_threads=2)
    env.reset(seed=0)
    yield env
    env.close()


@pytest.fixture(scope="module")
def colors(env: TeamVectorEnv) -> np.ndarray:
    return env.render_cameras(CAMERAS, 64)


@pytest.fixture(scope="module")
def depths(env: TeamVectorEnv) -> np.ndarray:
    return env.render_cameras(CAMERAS, 64, channel="depth")


@pytest.fixture(scope="module")
def segments(env: TeamVectorEnv) -> np.ndarray:
    return env.render_cameras(CAMERAS, 64, channel="segmentation")


@pytest.fixture(scope="module")
def segment(lift_scene: Scene) -> dict[str, int]:
    """Name of a thing to its number in segmented images."""
    return {name: 1 + i for i, name in enumerate(segment_names(lift_scene))}


def test_a_color_image_is_uint8_with_three_channels(colors: np.ndarray):
    assert colors.shape == (WORLDS, len(CAMERAS), 64, 64, 3)
    assert colors.dtype == np.uint8


def test_a_depth_image_is_float32(depths: np.ndarray):
    assert depths.shape == (WORLDS, len(CAMERAS), 64, 64)
    assert depths.dtype == np.float32


def test_a_segmented_image_is_int32(segments: np.ndarray):
    assert segments.shape == (WORLDS, len(CAMERAS), 64, 64)
    assert segments.dtype == np.int32


def test_images_need_not_be_square(env: TeamVectorEnv):
    assert env.render_cameras(("front", "wrist_0"), (24, 40), worlds=[2]).shape == (1, 2, 24, 40, 3)


@pytest.mark.parametrize("camera", ["front", "overhead"])
def test_a_shared_camera_sees_everything(segments: np.ndarray, segment: dict[str, int], camera: str):
    for world in range(WORLDS):
        seen = set(segments[world, CAMERAS.index(camera)].ravel().tolist())
        assert set(segment.values()) <= seen


@pytest.mark.parametrize("arm", [0, 1])
def test_a_wrist_camera_sees_its_own_hand_and_not_the_other_arm(
    segments: np.ndarray, segment: dict[str, int], arm: int
):
    view = segments[:, CAMERAS.index(f"wrist_{arm}")]
    assert (view == segment[f"arm_{arm}"]).any(axis=(1, 2)).all()
    assert not (view == segment[f"arm_{1 - arm}"]).any()


def test_from_overhead_the_front_is_below_and_arm_0_on_the_left(segments: np.ndarray, segment: dict[str, int]):
    view = segments[0, CAMERAS.index("overhead")]
    rows, columns = np.indices(view.shape)
    assert rows[view == segment["stand_front"]].min() > rows[view == segment["stand_back"]].max()
    assert columns[view == segment["arm_0"]].mean() < 32 < columns[view == segment["arm_1"]].mean()


def test_the_table_is_as_deep_below_the_overhead_camera_as_the_camera_is_high(
    depths: np.ndarray, segments: np.ndarray, segment: dict[str, int]
):
    view = CAMERAS.index("overhead")
    assert_allclose(depths[:, view][segments[:, view] == segment["table"]], 1.55, atol=1e-4)


def test_the_top_of_a_stand_is_nearer_by_its_height(
    env: TeamVectorEnv, depths: np.ndarray, segments: np.ndarray, segment: dict[str, int]
):
    view = CAMERAS.index("overhead")
    heights = env.get_state()["episode.stand_pos"][:, :, 2]
    for world in range(WORLDS):
        for s, name in enumerate(("stand_front", "stand_back")):
            depth = depths[world, view][segments[world, view] == segment[name]]
            assert_allclose(np.median(depth), 1.55 - heights[world, s], atol=1e-4)


def test_a_stand_shows_the_color_that_was_drawn_for_it(
    env: TeamVectorEnv, colors: np.ndarray, segments: np.ndarray, segment: dict[str, int]
):
    view = CAMERAS.index("overhead")
    drawn = env.get_state()["episode.colors"]
    palette = 255 * np.array(list(SURFACE_COLORS.values()))[:, :3]
    for world in range(WORLDS):
        for s, name in enumerate(("stand_front", "stand_back")):
            pixels = colors[world, view][segments[world, view] == segment[name]]
            nearest = np.abs(np.median(pixels, axis=0) - palette).sum(axis=1).argmin()
            assert COLOR_NAMES[nearest] == COLOR_NAMES[drawn[world, s]]


def test_arms_have_their_own_colors(colors: np.ndarray, segments: np.ndarray, segment: dict[str, int]):
    view = CAMERAS.index("front")
    red, _, blue = np.moveaxis(colors[0, view].astype(int), -1, 0)
    redder = [(red - blue)[segments[0, view] == segment[f"arm_{k}"]].max() for k in (0, 1)]
    bluer = [(blue - red)[segments[0, view] == segment[f"arm_{k}"]].max() for k in (0, 1)]
    assert redder[0] > 60 > redder[1]
    assert bluer[1] > 60 > bluer[0]


def test_two_threads_give_the_same_pixels_as_one(env: TeamVectorEnv, colors: np.ndarray):
    alone = TeamVectorEnv("lift", WORLDS, num_threads=1)
    alone.reset(seed=0)
    assert_array_equal(alone.render_cameras(CAMERAS, 64), colors)
    alone.close()


def test_a_picture_is_the_same_again_whatever_lights_and_lenses_were_used_before():
    pictures = []
    for threads in (1, 2):
        hard = TeamVectorEnv("lift", 3, randomization="hard", num_threads=threads)
        hard.reset(seed=0)
        for _ in range(2):
            pictures.append(hard.render_cameras(CAMERAS, 32))
            hard.render_cameras(CAMERAS, 32, channel="depth")
        hard.close()
    for picture in pictures[1:]:
        assert_array_equal(picture, pictures[0])


def test_an_image_does_not_depend_on_what_else_is_rendered(env: TeamVectorEnv, colors: np.ndarray):
    assert_array_equal(env.render_cameras(("wrist_1",), 64, worlds=[2])[0, 0], colors[2, 3])


def test_looking_changes_nothing(env: TeamVectorEnv):
    before = env.get_state()
    env.render_cameras(CAMERAS, 32)
    after = env.get_state()
    for key, value in before.items():
        assert_array_equal(after[key], value, err_msg=key)


def test_the_picture_follows_the_world(env: TeamVectorEnv, colors: np.ndarray):
    state = env.get_state()
    env.step(np.ones((WORLDS, 16)))
    moved = env.render_cameras(CAMERAS, 64)
    env.set_state(state)
    assert (moved != colors).any(axis=(2, 3, 4)).all()
    assert_array_equal(env.render_cameras(CAMERAS, 64), colors)


def test_an_unknown_camera_lists_those_there_are(env: TeamVectorEnv):
    with pytest.raises(ValueError, match=r"cameras: got 'side', allowed are .*front.*overhead.*wrist_0.*wrist_1"):
        env.render_frames("side")


@pytest.mark.parametrize("size", [0, 15, 5000, (64, 3)])
def test_an_image_size_out_of_range_is_told_the_range(env: TeamVectorEnv, size: int | tuple[int, int]):
    with pytest.raises(ValueError, match=r"size: got .* allowed are 16 to 1080"):
        env.render_frames("front", size)
