"""Random changes of images and sentences."""

import numpy as np
from numpy.testing import assert_array_equal
from teamvla_learn.data.augment import Augmentation, augment, drop_words


def images(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 10, 12, 3), dtype=np.uint8)


def test_an_image_is_shifted_and_its_edge_repeated():
    original = images()
    changed, shifts = augment(original, np.random.default_rng(1), Augmentation(shift=2))
    different = set()
    for before, after, shift in zip(original, changed, shifts.tolist(), strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)), mode="edge")
        found = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if np.array_equal(after, padded[2 - down : 12 - down, 2 - right : 14 - right])
        ]
        assert found == [tuple(shift)]
        different.add(found[0])
    assert len(different) > 15


def test_the_images_of_a_window_change_alike_however_they_lie_in_memory():
    change = Augmentation(shift=2, brightness=0.1, color=0.05, contrast=0.2)
    alone, _ = augment(images(), np.random.default_rng(1), change)
    windows = np.stack([images(), images()]).swapaxes(0, 1)
    assert not windows.flags.c_contiguous
    changed, _ = augment(windows, np.random.default_rng(1), change)
    assert_array_equal(changed[:, 0], alone)
    assert_array_equal(changed[:, 1], alone)


def test_brightness_scales_and_saturates():
    original = np.full((200, 4, 4, 3), 220, dtype=np.uint8)
    changed, _ = augment(original, np.random.default_rng(0), Augmentation(brightness=0.2))
    levels = changed[:, 0, 0, 0].astype(int)
    assert (changed == changed[:, :1, :1, :1]).all()
    assert levels.min() < 185
    assert levels.max() == 255


def test_without_changes_a_image_stays_as_it_is():
    changed, shifts = augment(images(), np.random.default_rng(0), Augmentation())
    assert_array_equal(changed, images())
    assert not shifts.any()


def test_color_tints_a_whole_image():
    original = np.full((200, 4, 5, 3), 100, dtype=np.uint8)
    changed, _ = augment(original, np.random.default_rng(0), Augmentation(color=0.1))
    assert (changed == changed[:, :1, :1]).all()
    colors = changed[:, 0, 0].astype(int)
    assert 89 <= colors.min() < 92
    assert 108 < colors.max() <= 110
    assert len({tuple(color) for color in colors}) > 150


def test_contrast_mixes_in_gray():
    original = np.tile(np.array([0, 128, 255], dtype=np.uint8), (200, 4, 5, 1))
    changed, _ = augment(original, np.random.default_rng(0), Augmentation(contrast=0.4))
    assert (changed == changed[:, :1, :1]).all()
    dark, medium, bright = changed[:, 0, 0].astype(int).T
    assert dark.min() < 3
    assert 48 < dark.max() <= 51
    assert np.abs(medium - 128).max() <= 1
    assert np.abs(dark + bright - 255).max() <= 2


def test_the_images_of_a_window_change_alike():
    window = np.repeat(images()[:, None], 3, axis=1)
    changed, _ = augment(window, np.random.default_rng(0), Augmentation(2, 0.2, 0.1, 0.2))
    assert changed.shape == window.shape
    assert_array_equal(changed[:, 0], changed[:, 2])
    assert_array_equal(changed[:, 0], augment(images(), np.random.default_rng(0), Augmentation(2, 0.2, 0.1, 0.2))[0])


def test_words_are_left_out_and_padding_stays():
    tokens = np.tile(np.array([5, 6, 7, 0]), (1000, 1))
    drop_words(tokens, np.random.default_rng(0), 0.2, padding=0, unknown=1)
    assert (tokens[:, 3] == 0).all()
    assert set(np.unique(tokens[:, 0])) == {1, 5}
    assert abs((tokens[:, :3] == 1).mean() - 0.2) < 0.03
