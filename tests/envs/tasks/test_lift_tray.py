"""Lift with three and four arms: a tray that all of them must hold, and that only the sentence tells where to put."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.spaces import SENTENCE
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.geometry import matrix_from_quat, rotation_about_z
from teamvla_envs.seeds import episode_seeds
from teamvla_envs.tasks.lift import COLOR_NAMES, HEIGHT_NAMES, HOLD_POS, SIDE_NAMES, Lift
from teamvla_envs.tasks.lift_loads import TRAY_STAND_SIZE, TrayLoad

from tests.conftest import FinishEpisodes

MakeLift = Callable[..., TeamVectorEnv]
GOALS = Lift.goals
REST = TrayLoad.rest

pytestmark = pytest.mark.parametrize("num_arms", [3, 4])


def begin(env: TeamVectorEnv, offset: int = 0) -> None:
    """Begin the held-out episodes that follow ``offset``."""
    env.reset(seed=episode_seeds("test", env.num_envs, offset).tolist())


def draw(count: int, num_arms: int, split: str = "train") -> tuple[Lift, Mapping[str, np.ndarray]]:
    """A task and the facts of ``count`` random episodes of it."""
    task = Lift(num_arms, split=split)
    return task, task.start(np.random.default_rng(0).random((count, Lift.draws))).episode


def let_go(env: TeamVectorEnv, arms: list[int]) -> np.ndarray:
    """The expert's actions, except that some arms keep still with their grippers open."""
    actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
    actions[:, arms] = 0.0
    actions[:, arms, -1] = 1.0
    return actions.reshape(env.num_envs, -1)


# -- the expert ----------------------------------------------------------------------------------------------------


def test_the_expert_solves_held_out_episodes(num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes):
    env = make_lift(20, num_arms=num_arms, autoreset_mode="Disabled")
    begin(env)
    outcome = finish_episodes(env)
    assert outcome.success.all(), f"seeds {env.seeds[~outcome.success].tolist()}"
    assert set(outcome.goals) == set(GOALS)


@pytest.mark.slow
@pytest.mark.parametrize(("randomization", "bar"), [("default", 0.98), ("hard", 0.90)])
def test_the_expert_solves_almost_all_of_two_hundred_held_out_episodes(
    num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes, randomization: str, bar: float
):
    env = make_lift(200, num_arms=num_arms, randomization=randomization, autoreset_mode="Disabled")
    begin(env)
    outcome = finish_episodes(env)
    assert outcome.rate() >= bar
    assert all(outcome.rate(goal) >= bar - 0.04 for goal in GOALS)


@pytest.mark.parametrize("settings", [{"action_mode": "joint_pos"}, {"action_mode": "ee_delta"}, {"split": "unseen"}])
def test_the_expert_speaks_every_action_mode_and_both_splits(
    num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes, settings: dict[str, str]
):
    env = make_lift(4, num_arms=num_arms, autoreset_mode="Disabled", **settings)
    begin(env)
    assert finish_episodes(env).success.all()


def test_no_arm_can_be_spared(num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes):
    env = make_lift(6, num_arms=num_arms, autoreset_mode="Disabled", max_episode_steps=150)
    for arm in range(num_arms):
        begin(env)
        assert finish_episodes(env, partial(let_go, env, [arm])).success.sum() == 0


@pytest.mark.slow
def test_no_arm_can_be_spared_in_thirty_episodes(num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes):
    env = make_lift(30, num_arms=num_arms, autoreset_mode="Disabled")
    for arm in range(num_arms):
        begin(env)
        assert finish_episodes(env, partial(let_go, env, [arm])).success.sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
def test_the_expert_takes_over_after_sixty_random_steps(
    num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes, steps_alike: int
):
    env = make_lift(20, num_arms=num_arms, autoreset_mode="Disabled", max_episode_steps=360)
    begin(env)
    rng = np.random.default_rng(0)
    for step in range(60):
        if step % steps_alike == 0:
            actions = rng.uniform(-1, 1, (20, 8 * num_arms))
        env.step(actions)
    on_table = env.world.body_pos[:, 0, 2] > 0.5 * REST
    assert on_table.sum() >= 15
    assert finish_episodes(env).success[on_table].mean() >= 0.9


def test_the_expert_picks_a_dropped_tray_up_again(num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes):
    env = make_lift(6, num_arms=num_arms, autoreset_mode="Disabled")
    begin(env)
    for _ in range(46):
        env.step(env.expert_actions())
    lifted = env.world.body_pos[:, 0, 2] > REST + 0.02
    assert lifted.sum() >= 4
    for _ in range(10):
        env.step(let_go(env, list(range(num_arms))))
    assert (env.world.body_pos[lifted, 0, 2] < REST + 0.02).all()
    assert finish_episodes(env).success[lifted].mean() >= 0.9


def test_the_expert_needs_no_memory_of_its_own(num_arms: int, make_lift: MakeLift):
    env, other = make_lift(2, num_arms=num_arms), make_lift(2, num_arms=num_arms)
    begin(env)
    for _ in range(50):
        env.step(env.expert_actions())
    other.set_state(env.get_state())
    assert_array_equal(other.expert_actions(), env.expert_actions())


# -- all arms ------------------------------------------------------------------------------------------------------


def test_a_tray_that_an_arm_let_go_in_the_air_must_be_lifted_anew_by_all(
    num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes
):
    env = make_lift(6, num_arms=num_arms, autoreset_mode="Disabled")
    begin(env)
    for _ in range(52):
        env.step(env.expert_actions())
    lifted = env.world.body_pos[:, 0, 2] > REST + 0.03
    assert lifted.sum() >= 4
    for _ in range(8):
        env.step(let_go(env, [0]))
    assert env.get_state()["memory.alone"][lifted].all()
    lain = np.zeros(6, bool)

    def watch() -> np.ndarray:
        lain[:] |= ~env.get_state()["memory.alone"]
        return env.expert_actions()

    outcome = finish_episodes(env, watch)
    assert outcome.success[lifted].mean() >= 0.75
    assert lain[lifted & outcome.success].all()


def test_the_tray_stays_level_while_it_is_carried(num_arms: int, make_lift: MakeLift, finish_episodes: FinishEpisodes):
    env = make_lift(10, num_arms=num_arms, autoreset_mode="Disabled")
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


@pytest.mark.parametrize("said", [0, 1, 2], ids=GOALS)
def test_who_does_something_else_than_the_sentence_says_fails(num_arms: int, make_lift: MakeLift, said: int):
    env, misled = (make_lift(8, num_arms=num_arms, autoreset_mode="Disabled") for _ in range(2))
    begin(env)
    begin(misled)
    state, goals = env.get_state(), np.full(8, said)
    on_stand = state["episode.stand_pos"][:, min(said, 1)] + (0, 0, REST)
    goal_pos = np.broadcast_to(np.array(HOLD_POS) if said == 2 else on_stand, on_stand.shape)
    misled.set_state(state | {"episode.goal": goals, "episode.goal_pos": goal_pos})
    for _ in range(130):
        actions = misled.expert_actions()
        misled.step(actions)
        _, _, _, _, info = env.step(actions)
    assert_array_equal(info["is_success"], np.array(env.goal_names) == GOALS[said])


def goals_that_fit(sentence: str, facts: Mapping[str, np.ndarray], world: int) -> list[str]:
    """What a reader who sees colors and heights may understand."""
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
            assert SENTENCE.contains(told)
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
        assert set(family.train) <= set(Lift.vocabulary())


# -- starts, rewards, phases ---------------------------------------------------------------------------------------


def test_starts_are_spread_as_documented(num_arms: int):
    start = Lift(num_arms).start(np.random.default_rng(0).random((4000, Lift.draws)))
    pose = start.body_pose["tray"]
    yaw = 2 * np.arctan2(pose[:, 6], pose[:, 3])
    for values, low, high in (
        (yaw, -0.12, 0.12),
        (start.episode["reach"], 0.19, 0.21),
        (start.fields["body_mass", "tray"], 1.0, 3.0),
    ):
        slack = 0.01 * (high - low)
        assert low <= values.min() < low + slack
        assert high - slack < values.max() <= high
    assert np.abs(pose[:, :2]).max() <= 0.05


def test_a_start_keeps_clear_of_the_stands(num_arms: int):
    start = Lift(num_arms, randomization="hard").start(np.random.default_rng(0).random((4000, Lift.draws)))
    to_stand = start.episode["stand_pos"][..., :2] - start.body_pose["tray"][:, None, :2]
    outside = np.maximum(np.abs(to_stand) - TRAY_STAND_SIZE, 0)
    assert np.linalg.norm(outside, axis=-1).min() > TrayLoad(num_arms).tray.radius + 0.005


def test_the_taller_stand_is_the_higher_one(num_arms: int):
    _, facts = draw(500, num_arms)
    heights = facts["stand_pos"][:, :, 2]
    assert_array_equal(heights.argmax(axis=1), facts["taller"])
    assert np.abs(np.diff(heights)).min() > 0.02


def test_dense_reward_grows_from_phase_to_phase(num_arms: int, make_lift: MakeLift):
    env = make_lift(8, num_arms=num_arms, autoreset_mode="Disabled")
    begin(env)
    rewards, phases, running = np.zeros((110, 8)), np.zeros((110, 8), int), np.ones((110, 8), bool)
    for step in range(110):
        _, reward, terminated, _, info = env.step(env.expert_actions())
        rewards[step], phases[step] = reward - info["is_success"], info["phase"]
        running[step + 1 :] &= ~terminated
    assert not running[-1].any()
    assert (rewards[running] <= 0).all()
    assert (rewards[running] >= -1).all()
    for world in range(8):
        assert (np.diff(phases[:, world]) >= 0).all()
        seen = [rewards[running[:, world] & (phases[:, world] == phase), world] for phase in range(6)]
        means = [values.mean() for values in seen if len(values)]
        assert means == sorted(means)


def test_the_pose_that_networks_see_is_the_canonical_one(num_arms: int, make_lift: MakeLift):
    env = make_lift(2, num_arms=num_arms)
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


def test_the_task_computes_the_same_in_torch(num_arms: int, make_lift: MakeLift):
    torch = pytest.importorskip("torch")

    def twin(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {key: torch.from_numpy(np.array(value)) for key, value in values.items()}

    env = make_lift(3, num_arms=num_arms)
    begin(env)
    for _ in range(55):
        env.step(env.expert_actions())
    state = env.get_state()
    facts = {key.split(".")[1]: value for key, value in state.items() if key.startswith("episode.")}
    memory = {key.split(".")[1]: value for key, value in state.items() if key.startswith("memory.")}
    numbers = {field.name: getattr(env.world, field.name) for field in fields(env.world)}
    world, told = replace(env.world, **twin(numbers)), twin(facts)
    signals, expected = env.task.signals(world, told, twin(memory)), env.task.signals(env.world, facts, memory)
    for key, value in expected.items():
        assert_allclose(np.asarray(signals[key]), value, atol=1e-9, err_msg=key)
    for key, part in env.task.state_parts(env.world, facts, expected).items():
        assert_allclose(np.asarray(env.task.state_parts(world, told, signals)[key]), part, atol=1e-9, err_msg=key)
