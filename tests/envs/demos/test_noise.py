import numpy as np
from teamvla_envs.demos.noise import PERSISTENCE, joint_noise


def test_noise_depends_on_the_seed_alone():
    long, short = joint_noise(7, 300, 2, 7, 0.003), joint_noise(7, 100, 2, 7, 0.003)
    np.testing.assert_array_equal(long[:100], short)
    assert not np.array_equal(short, joint_noise(8, 100, 2, 7, 0.003))


def test_noise_is_an_autoregression_of_the_given_scale():
    noise = joint_noise(0, 20_000, 1, 3, 0.003)
    white = noise[1:] - PERSISTENCE * noise[:-1]
    np.testing.assert_allclose(white.std(axis=0), 0.003, rtol=0.03)
    np.testing.assert_allclose(noise.std(axis=0), 0.003 / np.sqrt(1 - PERSISTENCE**2), rtol=0.05)


def test_scale_zero_is_silence():
    assert not joint_noise(0, 10, 2, 7, 0.0).any()
