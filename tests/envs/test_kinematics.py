"""The team's closed-form kinematics against MuJoCo and against finite differences."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.geometry import rotation_vector
from teamvla_envs.kinematics import Chains, cross, differential_ik
from teamvla_envs.scene.compose import Scene


@pytest.fixture(scope="module")
def chains(lift_scene: Scene) -> Chains:
    return Chains.of(lift_scene)


def random_postures(chains: Chains, count: int, seed: int = 0) -> np.ndarray:
    """Joint positions within the limits, shape ``(count, A, J)`` [rad]."""
    return np.random.default_rng(seed).uniform(chains.lower, chains.upper, (count, *chains.lower.shape))


@pytest.fixture(scope="module")
def mujoco_poses(direct_model: mujoco.MjModel, chains: Chains) -> list[mujoco.MjData]:
    """MuJoCo's forward kinematics of the composed scene at ``random_postures(chains, 20)``."""
    result = []
    for posture in random_postures(chains, 20):
        data = mujoco.MjData(direct_model)
        for k, joints in enumerate(posture):
            for j, angle in enumerate(joints, start=1):
                data.joint(f"arm_{k}/joint{j}").qpos = angle
        mujoco.mj_kinematics(direct_model, data)
        result.append(data)
    return result


def test_the_two_bases_face_each_other(chains: Chains):
    _, tool = chains.frames(np.stack([chains.rest]))
    assert_allclose(tool[0, 0, :2, 3], -tool[0, 1, :2, 3], atol=1e-12)
    assert tool[0, 0, 0, 3] < 0 < tool[0, 1, 0, 3]


@pytest.mark.parametrize("links", range(1, 8))
def test_the_tool_frame_alone_is_that_of_the_chain_of_frames(chains: Chains, links: int):
    parts = ("constant", "cosine", "sine", "axis")
    shorter = replace(chains, **{part: getattr(chains, part)[:, :links] for part in parts})
    joint_pos = random_postures(chains, 5)[..., :links]
    assert_allclose(shorter.tool_frame(joint_pos), shorter.frames(joint_pos)[1], atol=1e-12)


def test_joint_frames_equal_those_of_mujoco(chains: Chains, mujoco_poses: list[mujoco.MjData]):
    frames, _ = chains.frames(random_postures(chains, 20))
    for world, data in enumerate(mujoco_poses):
        for k in range(2):
            for j in range(7):
                body = data.body(f"arm_{k}/link{j + 1}")
                assert_allclose(frames[world, k, j, :3, 3], body.xpos, atol=1e-9)
                assert_allclose(frames[world, k, j, :3, :3], body.xmat.reshape(3, 3), atol=1e-9)


def test_tool_positions_equal_those_of_mujoco(chains: Chains, mujoco_poses: list[mujoco.MjData]):
    _, tool = chains.frames(random_postures(chains, 20))
    for world, data in enumerate(mujoco_poses):
        for k in range(2):
            assert_allclose(tool[world, k, :3, 3], data.site(f"arm_{k}/tool").xpos, atol=1e-9)


def test_tool_orientations_equal_those_of_mujoco(chains: Chains, mujoco_poses: list[mujoco.MjData]):
    _, tool = chains.frames(random_postures(chains, 20))
    for world, data in enumerate(mujoco_poses):
        for k in range(2):
            # The scene's XML has six digits, so the hand's mounting angle differs by a microradian.
            assert_allclose(tool[world, k, :3, :3], data.site(f"arm_{k}/tool").xmat.reshape(3, 3), atol=3e-6)


def test_joint_limits_are_those_of_the_scene(chains: Chains, direct_model: mujoco.MjModel):
    for k in range(2):
        for j in range(7):
            limits = direct_model.joint(f"arm_{k}/joint{j + 1}").range
            assert_allclose([chains.lower[k, j], chains.upper[k, j]], limits, atol=1e-6)


def test_frames_of_a_world_do_not_depend_on_the_other_worlds(chains: Chains):
    postures = random_postures(chains, 5)
    frames, tool = chains.frames(postures)
    for i in range(5):
        alone_frames, alone_tool = chains.frames(postures[i : i + 1])
        np.testing.assert_array_equal(alone_frames[0], frames[i])
        np.testing.assert_array_equal(alone_tool[0], tool[i])


def test_the_jacobian_is_the_derivative_of_the_tool_pose(chains: Chains):
    postures, step = random_postures(chains, 10), 1e-6
    jacobian = chains.jacobian(*chains.frames(postures))
    assert jacobian.shape == (10, 2, 6, 7)
    for j in range(7):
        shift = step * np.eye(7)[j]
        _, before = chains.frames(postures - shift)
        _, after = chains.frames(postures + shift)
        linear = (after[..., :3, 3] - before[..., :3, 3]) / (2 * step)
        turn = after[..., :3, :3] @ np.swapaxes(before[..., :3, :3], -1, -2)
        angular = rotation_vector(turn) / (2 * step)
        assert_allclose(jacobian[..., :3, j], linear, atol=1e-8)
        assert_allclose(jacobian[..., 3:, j], angular, atol=1e-8)


def test_cross_is_the_cross_product():
    a, b = np.random.default_rng(1).normal(size=(2, 4, 5, 3))
    assert_allclose(cross(a, b), np.cross(a, b), atol=1e-15)


def test_differential_ik_converges_to_the_wanted_pose_near_home(chains: Chains):
    rng = np.random.default_rng(2)
    goal_posture = chains.rest + rng.uniform(-0.3, 0.3, (8, *chains.rest.shape))
    _, goal = chains.frames(goal_posture)
    posture = np.broadcast_to(chains.rest, goal_posture.shape)
    for _ in range(50):
        frames, tool = chains.frames(posture)
        turn = rotation_vector(goal[..., :3, :3] @ np.swapaxes(tool[..., :3, :3], -1, -2))
        twist = np.concatenate([goal[..., :3, 3] - tool[..., :3, 3], turn], axis=-1)
        posture = posture + differential_ik(chains.jacobian(frames, tool), twist, np.zeros_like(posture))
    _, tool = chains.frames(posture)
    assert_allclose(tool, goal, atol=1e-6)


def test_null_space_motion_leaves_the_tool_where_it_is(chains: Chains):
    posture = chains.rest + np.random.default_rng(3).uniform(-0.3, 0.3, (8, *chains.rest.shape))
    jacobian = chains.jacobian(*chains.frames(posture))
    null_motion = 0.1 * np.ones_like(posture)
    step = differential_ik(jacobian, np.zeros((8, 2, 6)), null_motion, damping=1e-6)
    assert_allclose(jacobian @ step[..., None], 0.0, atol=1e-9)
    assert np.abs(step).max() > 0.005


def test_steps_stay_bounded_at_a_singularity(chains: Chains):
    stretched = np.zeros((1, *chains.rest.shape))
    twist = np.tile([0.0, 0.0, 0.02, 0.0, 0.0, 0.0], (1, 2, 1))
    step = differential_ik(chains.jacobian(*chains.frames(stretched)), twist, np.zeros_like(stretched))
    assert np.abs(step).max() < 0.5
