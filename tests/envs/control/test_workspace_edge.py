"""``ee_delta`` at the edge of the workspace."""

import numpy as np
import pytest
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.kinematics import SINGULAR, differential_ik

DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [1, 0, 1]], float)


@pytest.mark.parametrize("robot", ["panda", "xarm7"])
def test_joints_of_a_stretched_arm_do_not_reverse_in_every_step(robot: str):
    env = TeamVectorEnv("lift", len(DIRECTIONS), robot=robot, action_mode="ee_delta", num_threads=1)
    env.reset(seed=0)
    actions = np.zeros((len(DIRECTIONS), 2, 7))
    actions[..., :3], actions[..., 6] = DIRECTIONS[:, None], 1.0
    targets = []
    for _ in range(120):
        env.step(actions.reshape(len(DIRECTIONS), -1))
        targets.append(env.world.joint_target)
    steps = np.diff(np.array(targets)[60:], axis=0)
    fast = np.abs(steps) > 0.01
    reverses = (steps[1:] * steps[:-1] < 0) & fast[1:] & fast[:-1]
    assert reverses.any(-1).mean(0).max() < 0.1  # without more damping it is 1
    env.close()


def random_problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(50, 6, 7)), rng.normal(0, 0.02, (50, 6)), rng.normal(0, 0.01, (50, 7))


def test_far_from_singularities_nothing_is_damped_more():
    jacobian, twist, null = random_problem(0)
    regular = np.linalg.svd(jacobian, compute_uv=False)[:, -1] > SINGULAR
    assert regular.sum() > 20
    plain, damped = (differential_ik(jacobian, twist, null, near_singular=near) for near in (False, True))
    np.testing.assert_array_equal(damped[regular], plain[regular])


def test_only_the_singular_direction_is_slower():
    jacobian, twist, _ = random_problem(1)
    u, s, vt = np.linalg.svd(jacobian, full_matrices=False)
    s[:, :-1] = s[:, :-1].clip(0.5)
    s[:, -1] = 0.01
    jacobian = (u * s[:, None]) @ vt
    plain, damped = (differential_ik(jacobian, twist, np.zeros((50, 7)), near_singular=near) for near in (False, True))
    along = [np.abs((vt @ step[..., None])[..., 0]) for step in (plain, damped)]
    np.testing.assert_allclose(along[1][:, :-1], along[0][:, :-1], atol=1e-9)
    assert (along[1][:, -1] < 0.1 * along[0][:, -1]).all()
