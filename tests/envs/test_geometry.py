"""Rotations against independent formulas: rotation matrices as products of elementary ones, and the exponential map."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from teamvla_envs.geometry import (
    clip_norm,
    matrix_from_quat,
    quat_from_matrix,
    rot6d,
    rotation_about_z,
    rotation_vector,
    wrap_angle,
)


def exponential(vector: np.ndarray) -> np.ndarray:
    """Rotation matrix of axis times angle: the power series of the matrix exponential."""
    x, y, z = vector
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    term, total = np.eye(3), np.eye(3)
    for n in range(1, 40):
        term = term @ skew / n
        total = total + term
    return total


def random_vectors(seed: int, largest: float = np.pi) -> np.ndarray:
    """Axis times angle, angles up to ``largest`` [rad], shape ``(50, 3)``."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(50, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return axes * rng.uniform(0, largest, (50, 1))


def matrices(seed: int = 0) -> np.ndarray:
    """Random rotation matrices, shape ``(5, 10, 3, 3)``."""
    return np.stack([exponential(v) for v in random_vectors(seed)]).reshape(5, 10, 3, 3)


def half_turns() -> np.ndarray:
    """The identity and half turns about axes and diagonals, where formulas divide by zero; shape ``(n, 3, 3)``."""
    axes = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]], float)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.stack([np.eye(3), *(2 * np.outer(a, a) - np.eye(3) for a in axes)])


def test_a_quaternion_gives_the_matrix_of_its_axis_and_angle():
    for vector in random_vectors(1):
        angle = np.linalg.norm(vector)
        quat = np.array([np.cos(angle / 2), *(np.sin(angle / 2) * vector / angle)])
        assert_allclose(matrix_from_quat(quat), exponential(vector), atol=1e-14)


@pytest.mark.parametrize("rotations", [matrices(), half_turns()], ids=["random", "half turns"])
def test_a_matrix_survives_the_way_through_a_quaternion(rotations):
    quats = quat_from_matrix(rotations)
    assert quats.shape == (*rotations.shape[:-2], 4)
    assert_allclose(matrix_from_quat(quats), rotations, atol=1e-14)


@pytest.mark.parametrize("rotations", [matrices(), half_turns()], ids=["random", "half turns"])
def test_quaternions_are_of_unit_length_and_have_a_nonnegative_w(rotations):
    quats = quat_from_matrix(rotations)
    assert_allclose(np.linalg.norm(quats, axis=-1), 1.0, atol=1e-15)
    assert (quats[..., 0] >= 0).all()


def test_a_rotation_vector_is_axis_times_angle():
    vectors = random_vectors(2)
    assert_allclose(rotation_vector(np.stack([exponential(v) for v in vectors])), vectors, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-9, 1e-8, 1e-6, 1e-3])
def test_a_tiny_rotation_has_a_tiny_rotation_vector(angle):
    vector = angle * np.array([0.6, 0.0, -0.8])
    assert_allclose(rotation_vector(exponential(vector)), vector, rtol=1e-6, atol=1e-15)


def test_the_rotation_vector_of_a_half_turn_has_length_pi():
    lengths = np.linalg.norm(rotation_vector(half_turns()), axis=-1)
    assert_allclose(lengths, [0.0, *[np.pi] * 6], atol=1e-12)


def test_rotation_about_z_turns_x_towards_y():
    angles = np.linspace(-4, 4, 7).reshape(7, 1)
    turned = rotation_about_z(angles)
    assert turned.shape == (7, 1, 3, 3)
    assert_allclose(turned[:, 0], [exponential(np.array([0, 0, a])) for a in angles[:, 0]], atol=1e-12)


def test_rot6d_determines_the_rotation():
    rotations = matrices()
    six = rot6d(rotations)
    first, second = six[..., :3], six[..., 3:]
    assert_allclose(np.stack([first, second, np.cross(first, second)], axis=-1), rotations, atol=1e-14)


@pytest.mark.parametrize("period", [2 * np.pi, np.pi, 1.0])
def test_a_wrapped_angle_differs_by_whole_periods_and_lies_around_zero(period):
    angles = np.random.default_rng(3).uniform(-50, 50, 200)
    wrapped = wrap_angle(angles, period)
    assert (wrapped >= -period / 2).all()
    assert (wrapped < period / 2).all()
    turns = (angles - wrapped) / period
    assert_allclose(turns, np.round(turns), atol=1e-12)


def test_clip_norm_shortens_long_vectors_and_leaves_short_ones_alone():
    vectors = np.array([[3.0, 4.0, 0.0], [0.3, 0.0, 0.4], [0.0, 0.0, 0.0]])
    assert_allclose(clip_norm(vectors, 1.0), [[0.6, 0.8, 0.0], [0.3, 0.0, 0.4], [0.0, 0.0, 0.0]], rtol=1e-15)


def test_clip_norm_takes_one_limit_per_vector():
    vectors = np.array([[3.0, 4.0], [3.0, 4.0]])
    assert_allclose(clip_norm(vectors, np.array([[1.0], [10.0]])), [[0.6, 0.8], [3.0, 4.0]], rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (quat_from_matrix, (matrices(),)),
        (rotation_vector, (matrices(),)),
        (rotation_vector, (half_turns(),)),
        (rot6d, (matrices(),)),
        (matrix_from_quat, (quat_from_matrix(matrices()),)),
        (rotation_about_z, (random_vectors(4),)),
        (lambda angle: wrap_angle(angle, np.pi), (10 * random_vectors(5),)),
        (lambda vector: clip_norm(vector, 0.5), (random_vectors(6),)),
        (clip_norm, (random_vectors(6), np.abs(random_vectors(7)[:, :1]))),
    ],
    ids=["quat", "vector", "vector of half turns", "rot6d", "matrix", "about z", "wrap", "clip", "clip each"],
)
def test_torch_arrays_give_torch_arrays_with_the_same_numbers(function, inputs):
    result = function(*(torch.from_numpy(array) for array in inputs))
    assert isinstance(result, torch.Tensor)
    assert result.dtype == torch.float64
    assert_allclose(result.numpy(), function(*inputs), atol=1e-12)
