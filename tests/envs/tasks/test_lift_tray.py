"""Lift with three and four arms: a tray that all of them must hold, and that only the sentence tells where to put."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.spaces import INSTRUCTION
from teamvla_envs.geometry import matrix_from_quat, rotation_about_z
from teamvla_envs.tasks.lift import COLOR_NAMES, HEIGHT_NAMES, SIDE_NAMES, Lift
from teamvla_envs.tasks.lift_loads import TRAY_STAND_SIZE, TrayLoad

from tests.conftest import FinishEpisodes
from tests.envs.tasks.conftest import MakeEnv, begin, frozen

GOALS = Lift.goals
REST = TrayLoad.rest

pytestmark = pytest.mark.parametrize("num_arms", [3, 4])


def draw(count: int, num_arms: int, split: str = "train") -> tuple[Lift, Mapping[str, np.ndarray]]:
    """A task and the facts of ``count`` random episodes of it."""
    task = Lift(num_arms, split=split)
    return task, task.initial_state(np.random.default_rng(0).random((count, Lift.draws.count))).facts


# -- the expert ----------------------------------------------------------------------------------------------------


def test_the_expert_picks_a_dropped_tray_up_again(num_arms: int, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env("lift", 6, num_arms=num_arms)
    begin(env)
    for _ in range(46):
        env.step(env.expert_actions())
    lifted = env.world.body_pos[:, 0, 2] > REST + 0.02
    assert lifted.sum() >= 4
    for _ in range(10):
        env.step(frozen(env, *range(num_arms))())
    assert (env.world.body_pos[lifted, 0, 2] < REST + 0.02).all()
    assert finish_episodes(env).success[lifted].mean() >= 0.9


# -- all arms ------------------------------------------------------------------------------------------------------


def test_a_tray_that_an_arm_let_go_in_the_air_must_be_lifted_anew_by_all(
    num_arms: int, make_env: MakeEnv, finish_episodes: FinishEpisodes
):
    env = make_env("lift", 6, num_arms=num_arms)
    begin(env)
    for _ in range(52):
        env.step(env.expert_actions())
    lifted = env.world.body_pos[:, 0, 2] > REST + 0.03
    assert lifted.sum() >= 4
    for _ in range(8):
        env.step(frozen(env, 0)())
    assert env.get_state()["memory.alone"][lifted].all()
    lain = np.zeros(6, bool)

    def watch() -> np.ndarray:
        lain[:] |= ~env.get_state()["memory.alone"]
        return env.expert_actions()

    outcome = finish_episodes(env, watch)
    assert outcome.success[lifted].mean() >= 0.75
    assert lain[lifted & outcome.success].all()


def test_the_tray_stays_level_while_it_is_carried(num_arms: int, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env("lift", 10, num_arms=num_arms)
    begin(env)
    steepest = np.zeros(10)

    def watch() -> np.ndarray:
        tilt = np.arccos(env.world.body_rot[:, 0, 2, 2].clip(-1, 1))
        np.maximum(steepest, tilt, out=steepest)
        return env.expert_actions()

    finish_episodes(env, watch)
    assert steepest.max() < np.radians(5)


def test_every_turn_by_one_handle_looks_the_same(num_arms: int):
    load = TrayLoad(num_arms)
    quat = np.array([1.0, 0.05, -0.05, 0.02]) + np.random.default_rng(0).uniform(-0.03, 0.03, (3, 4))
    rot = matrix_from_quat(quat / np.linalg.norm(quat, axis=-1, keepdims=True))
    for handles in range(1, num_arms):
        turn = rotation_about_z(np.full(3, handles * 2 * np.pi / num_arms))
        assert_allclose(load.frame(rot @ turn), load.frame(rot), atol=1e-12)


def test_every_arm_gets_the_handle_that_is_nearest_to_it(num_arms: int):
    load = TrayLoad(num_arms)
    yaw = np.random.default_rng(0).uniform(-np.pi, np.pi, 200)
    frame = load.frame(rotation_about_z(yaw))
    handles = (frame @ np.pad(load.directions.T, ((0, 1), (0, 0)))).transpose(0, 2, 1)[..., :2]
    distance = np.linalg.norm(0.7 * load.directions[None, :, None] - 0.2 * handles[:, None], axis=-1)
    assert_array_equal(distance.argmin(axis=-1), np.broadcast_to(np.arange(num_arms), (200, num_arms)))


# -- the sentence --------------------------------------------------------------------------------------------------


def goals_that_fit(sentence: str, facts: Mapping[str, np.ndarray], world: int) -> list[str]:
    """Goals that an instruction allows, given colors and heights."""
    if " stand" not in sentence:
        return ["hold"]
    taller = int(facts["taller"][world])
    fits = []
    for stand, goal in enumerate(GOALS[:2]):
        names = COLOR_NAMES[int(facts["colors"][world, stand])], HEIGHT_NAMES[int(stand == taller)]
        if any(f"the {name} stand" in sentence for name in names):
            fits.append(goal)
    return fits


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_every_sentence_that_could_tell_the_goal_fits_it_alone(num_arms: int, split: str):
    task, facts = draw(400, num_arms, split)
    for world in range(400):
        sentences = task.sentences(facts, world)
        assert task.instruction(facts, world) in sentences
        for told in sentences:
            assert goals_that_fit(told, facts, world) == [GOALS[facts["goal"][world]]], told
            assert INSTRUCTION.contains(told)
            assert "bar" not in told
            assert "both" not in told


def test_sides_are_not_named_around_a_table(num_arms: int):
    task, facts = draw(500, num_arms)
    sentences = " ".join(task.instruction(facts, world) for world in range(500))
    assert not any(f"the {side} stand" in sentences for side in SIDE_NAMES)
    assert all(f"the {name} stand" in sentences for name in (*COLOR_NAMES, *HEIGHT_NAMES))


def test_training_and_unseen_sentences_are_many_and_differ(num_arms: int):
    load = TrayLoad(num_arms)
    for family in (load.placing, load.holding):
        assert len(set(family.train)) >= 12
        assert len(set(family.unseen)) >= 6
        assert not set(family.train) & set(family.unseen)


# -- starts ---------------------------------------------------------------------------------------------------------


def test_starts_are_spread_as_documented(num_arms: int):
    start = Lift(num_arms).initial_state(np.random.default_rng(0).random((4000, Lift.draws.count)))
    pose = start.body_pose["tray"]
    yaw = 2 * np.arctan2(pose[:, 6], pose[:, 3])
    for values, low, high in (
        (yaw, -0.12, 0.12),
        (start.facts["reach"], 0.19, 0.21),
        (start.fields["body_mass", "tray"], 1.0, 3.0),
    ):
        slack = 0.01 * (high - low)
        assert low <= values.min() < low + slack
        assert high - slack < values.max() <= high
    assert np.abs(pose[:, :2]).max() <= 0.05


def test_a_start_keeps_clear_of_the_stands(num_arms: int):
    start = Lift(num_arms, randomization="hard").initial_state(
        np.random.default_rng(0).random((4000, Lift.draws.count))
    )
    to_stand = start.facts["stand_pos"][..., :2] - start.body_pose["tray"][:, None, :2]
    outside = np.maximum(np.abs(to_stand) - TRAY_STAND_SIZE, 0)
    assert np.linalg.norm(outside, axis=-1).min() > TrayLoad(num_arms).tray.radius + 0.005


def test_the_taller_stand_is_the_higher_one(num_arms: int):
    _, facts = draw(500, num_arms)
    heights = facts["stand_pos"][:, :, 2]
    assert_array_equal(heights.argmax(axis=1), facts["taller"])
    assert np.abs(np.diff(heights)).min() > 0.02


def test_the_pose_that_networks_see_is_the_canonical_one(num_arms: int, make_env: MakeEnv):
    env = make_env("lift", 2, num_arms=num_arms)
    begin(env)
    parts = env.state_parts()
    frame = TrayLoad(num_arms).frame(env.world.body_rot[:, 0])
    assert_allclose(parts["object_rot6d"], np.concatenate([frame[..., 0], frame[..., 1]], -1))
    assert parts["tool_to_grasp"].shape == (2, 3 * num_arms)
    assert parts["object_reach"].shape == (2, 1)


# -- array programs ------------------------------------------------------------------------------------------------


def test_the_load_computes_the_same_in_torch(num_arms: int):
    torch = pytest.importorskip("torch")
    rng, load = np.random.default_rng(0), TrayLoad(num_arms)
    quat = rng.normal(size=(5, 4))
    rot = matrix_from_quat(quat / np.linalg.norm(quat, axis=-1, keepdims=True))
    tools, command = rng.normal(size=(2, 5, num_arms, 3))
    assert_allclose(load.to_level(load.frame(rot), tools)[:, 0] + tools[:, 0, 2], (tools[:, 0] * rot[..., 2]).sum(-1))
    twin = [torch.from_numpy(array) for array in (rot, tools, command)]
    frame = load.frame(rot)
    assert_allclose(load.frame(twin[0]).numpy(), frame, atol=1e-12)
    offset = load.level_offsets(frame, None, tools)
    told = load.level_offsets(torch.from_numpy(frame), None, twin[1])
    assert_allclose(told.numpy(), offset, atol=1e-12)
    assert_allclose(load.commanded_yaw(twin[2], told).numpy(), load.commanded_yaw(command, offset), atol=1e-9)
