"""Meaning of each action mode, and errors of wrong actions."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from teamvla_envs.control.actions import (
    ACTION_MODES,
    GRIPPER_STEP,
    JOINT_STEP,
    LEASH,
    TOOL_STEP,
    TOOL_TURN,
    ActionMode,
    check_action,
    limit_step,
)
from teamvla_envs.geometry import rotation_vector
from teamvla_envs.kinematics import Chains
from teamvla_envs.scene.compose import Scene
from teamvla_envs.world import WorldState

N, A, J = 4, 2, 7
OPEN = 0.08  # [m]


@pytest.fixture(scope="module")
def chains(lift_scene: Scene) -> Chains:
    return Chains.of(lift_scene)


@pytest.fixture
def make_mode(chains: Chains):
    return lambda name: ActionMode(name, chains, np.full(A, OPEN))


@pytest.fixture
def world(chains: Chains) -> WorldState:
    """Arms near home that stand where they were commanded to."""
    joint_pos = chains.rest + np.random.default_rng(0).uniform(-0.2, 0.2, (N, A, J))
    tool = chains.tool_frame(joint_pos)
    nobody = np.zeros((N, 0, 3))
    return WorldState(
        joint_pos=joint_pos,
        joint_vel=np.zeros((N, A, J)),
        joint_target=joint_pos.copy(),
        gripper_opening=np.full((N, A), OPEN),
        gripper_target=np.full((N, A), OPEN),
        tool_pos=tool[..., :3, 3],
        tool_rot=tool[..., :3, :3],
        body_pos=nobody,
        body_rot=nobody[..., None],
        body_vel=nobody,
        contact_force=np.zeros((N, 0)),
        contact_count=np.zeros((N, 0)),
    )


def still(size: int, gripper: float = 1.0) -> np.ndarray:
    """An action of zeros with this gripper entry, shape ``(N, A, size)``."""
    action = np.zeros((N, A, size))
    action[..., -1] = gripper
    return action


@pytest.mark.parametrize(("name", "size"), [("joint_delta", 8), ("joint_pos", 8), ("ee_delta", 7)])
def test_the_named_parts_add_up_to_the_size(make_mode, name, size):
    mode = make_mode(name)
    assert mode.size == size == sum(length for _, length in mode.parts)
    assert mode.parts[-1] == ("gripper", 1)


@pytest.mark.parametrize(("name", "tolerance"), [("joint_delta", 1e-8), ("joint_pos", 1e-6)])
def test_a_small_joint_step_survives_encoding_and_decoding(make_mode, world, name, tolerance):
    mode, rng = make_mode(name), np.random.default_rng(1)
    step, gripper = rng.uniform(-0.04, 0.04, (N, A, J)), rng.uniform(0.9, 1, (N, A))
    target, opening = mode.decode(mode.encode(step, gripper, world), world)
    assert_allclose(target, world.joint_target + step, atol=tolerance)
    assert_allclose(opening, (gripper + 1) / 2 * OPEN, atol=1e-8)


def test_a_small_tool_motion_survives_encoding_and_decoding(make_mode, world, chains):
    mode = make_mode("ee_delta")
    step = np.random.default_rng(2).uniform(-0.004, 0.004, (N, A, J))
    target, _ = mode.decode(mode.encode(step, np.ones((N, A)), world), world)
    _, wanted = chains.frames(world.joint_target + step)
    _, reached = chains.frames(target)
    assert_allclose(reached[..., :3, 3], wanted[..., :3, 3], atol=2e-4)
    turn = rotation_vector(reached[..., :3, :3] @ np.swapaxes(wanted[..., :3, :3], -1, -2))
    assert np.linalg.norm(turn, axis=-1).max() < 2e-3


@pytest.mark.parametrize("name", ACTION_MODES)
def test_an_encoded_action_is_float32_within_the_box(make_mode, world, name):
    mode = make_mode(name)
    action = mode.encode(np.full((N, A, J), JOINT_STEP), np.full((N, A), 3.0), world)
    assert action.shape == (N, A, mode.size)
    assert action.dtype == np.float32
    assert np.abs(action).max() <= 1.0


@pytest.mark.parametrize("entry", range(J))
def test_joint_delta_moves_one_joint_by_its_share_of_the_step(make_mode, world, entry):
    action = still(8)
    action[..., entry] = -0.6
    target, _ = make_mode("joint_delta").decode(action, world)
    expected = world.joint_target.copy()
    expected[..., entry] -= 0.6 * JOINT_STEP
    assert_allclose(target, expected, atol=1e-15)


def test_joint_pos_reaches_both_limits_at_the_ends_of_the_range(make_mode, world, chains):
    mode = make_mode("joint_pos")
    for end, limit in ((-1.0, chains.lower), (1.0, chains.upper)):
        at_limit = np.broadcast_to(limit, (N, A, J))
        target, _ = mode.decode(np.full((N, A, 8), end), replace(world, joint_pos=at_limit, joint_target=at_limit))
        assert_allclose(target, at_limit, atol=1e-12)


@pytest.mark.parametrize("axis", range(3))
def test_ee_delta_translates_the_tool_along_world_axes(make_mode, world, chains, axis):
    action = still(7)
    action[..., axis] = 0.5
    target, _ = make_mode("ee_delta").decode(action, world)
    _, before = chains.frames(world.joint_target)
    _, after = chains.frames(target)
    moved = after[..., :3, 3] - before[..., :3, 3]
    assert_allclose(moved, np.broadcast_to(0.5 * TOOL_STEP * np.eye(3)[axis], moved.shape), atol=1e-3)


@pytest.mark.parametrize("axis", range(3))
def test_ee_delta_turns_the_tool_about_world_axes(make_mode, world, chains, axis):
    action = still(7)
    action[..., 3 + axis] = 0.2
    target, _ = make_mode("ee_delta").decode(action, world)
    _, before = chains.frames(world.joint_target)
    _, after = chains.frames(target)
    turn = rotation_vector(after[..., :3, :3] @ np.swapaxes(before[..., :3, :3], -1, -2))
    assert_allclose(turn, np.broadcast_to(0.2 * TOOL_TURN * np.eye(3)[axis], turn.shape), atol=3e-3)


@pytest.mark.parametrize(("gripper", "opening"), [(-1.0, 0.0), (0.0, OPEN / 2), (1.0, OPEN), (-7.0, 0.0), (7.0, OPEN)])
@pytest.mark.parametrize("name", ACTION_MODES)
def test_the_last_entry_opens_the_gripper_in_proportion(make_mode, world, name, gripper, opening):
    mode = make_mode(name)
    for _ in range(round(OPEN / GRIPPER_STEP)):
        _, commanded = mode.decode(still(mode.size, gripper), world)
        assert np.abs(commanded - world.gripper_target).max() <= GRIPPER_STEP * (1 + 1e-12)
        world = replace(world, gripper_target=commanded)
    assert_allclose(commanded, opening, atol=1e-15)


def test_actions_are_clipped_before_they_are_scaled(make_mode, world):
    for name in ACTION_MODES:
        mode = make_mode(name)
        action = still(mode.size)
        action[..., :3] = (2.0, -1.0, 0.5)
        beyond, _ = mode.decode(action, world)
        within, _ = mode.decode(action.clip(-1.0, 1.0), world)
        assert_allclose(beyond, within, rtol=0, atol=0)
    action = still(8)
    action[..., :3] = (2.0, -1.0, 0.5)
    target, _ = make_mode("joint_delta").decode(action, world)
    moved = target - world.joint_target
    assert_allclose(moved[..., :3], np.broadcast_to(JOINT_STEP * np.array([1.0, -1.0, 0.5]), (N, A, 3)), atol=1e-15)


def test_a_joint_step_that_is_too_long_keeps_its_direction():
    step = np.zeros((1, A, J))
    step[..., :3] = JOINT_STEP * np.array([2.0, -1.0, 0.5])
    assert_allclose(limit_step(step)[..., :3], np.broadcast_to(JOINT_STEP * np.array([1.0, -0.5, 0.25]), (1, A, 3)))


def test_arms_are_scaled_one_by_one():
    step = np.zeros((1, A, J))
    step[0, 0, 0], step[0, 1, 0] = 2 * JOINT_STEP, JOINT_STEP / 2
    assert_allclose(limit_step(step)[0, :, 0], [JOINT_STEP, JOINT_STEP / 2])


def test_arms_that_move_together_are_scaled_by_one_factor():
    step = np.zeros((2, A, J))
    step[:, 0, 0], step[:, 1, 0] = 2 * JOINT_STEP, JOINT_STEP / 2
    limited = limit_step(step, together=np.array([True, False]))
    assert_allclose(limited[:, :, 0], [[JOINT_STEP, JOINT_STEP / 4], [JOINT_STEP, JOINT_STEP / 2]])


@pytest.mark.parametrize("name", ACTION_MODES)
def test_no_action_moves_a_commanded_joint_by_more_than_one_step(make_mode, world, name):
    mode = make_mode(name)
    target, _ = mode.decode(np.random.default_rng(3).uniform(-50, 50, (N, A, mode.size)), world)
    assert np.abs(target - world.joint_target).max() <= JOINT_STEP * (1 + 1e-12)


@pytest.mark.parametrize("name", ACTION_MODES)
def test_the_commanded_position_stays_on_its_leash(make_mode, world, name):
    mode = make_mode(name)
    lagging = replace(world, joint_pos=world.joint_target - LEASH)
    target, _ = mode.decode(np.ones((N, A, mode.size)), lagging)
    assert np.abs(target - lagging.joint_pos).max() <= LEASH + 1e-12


@pytest.mark.parametrize("name", ACTION_MODES)
def test_the_commanded_position_stays_within_the_joint_limits(make_mode, world, chains, name):
    mode = make_mode(name)
    at_limit = np.broadcast_to(chains.upper, (N, A, J))
    target, _ = mode.decode(np.ones((N, A, mode.size)), replace(world, joint_pos=at_limit, joint_target=at_limit))
    assert (target <= chains.upper).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_traced_to_arm_index_and_world(make_mode, value):
    action = np.zeros((N, A * 8))
    action[2, 8 + 5] = value
    with pytest.raises(ValueError, match=rf"action for arm_1 has a non-finite value {value} at index 5 \(world 2\)"):
        check_action(action, N, A, make_mode("joint_delta"))


@pytest.mark.parametrize("shape", [(N, 15), (N, 17), (N - 1, 16), (16,), (N, A, 8), ()])
def test_a_wrong_shape_is_told_the_expected_one_and_its_meaning(make_mode, shape):
    with pytest.raises(ValueError, match=r"expected \(4, 16\).*arm_0 first.*8 entries, 7 joint_delta and 1 gripper"):
        check_action(np.zeros(shape), N, A, make_mode("joint_delta"))


def test_huge_finite_actions_are_accepted(make_mode, world):
    mode = make_mode("joint_delta")
    action = check_action(np.full((N, A * 8), np.finfo(np.float32).max), N, A, mode)
    target, opening = mode.decode(action, world)
    assert np.isfinite(target).all()
    assert_allclose(opening, OPEN)


def test_a_checked_action_is_split_arm_by_arm(make_mode):
    flat = np.arange(N * A * 8, dtype=np.float32).reshape(N, A * 8)
    action = check_action(flat, N, A, make_mode("joint_delta"))
    np.testing.assert_array_equal(action[1, 1], flat[1, 8:])
