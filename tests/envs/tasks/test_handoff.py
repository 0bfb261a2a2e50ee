"""Handoff: every hand is needed, the expert passes the stick on, and only the sentence tells which and where to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.tasks.draws import COLOR_PAIRS
from teamvla_envs.tasks.handoff import (
    ARM_NAMES,
    LAID,
    PAD_NAMES,
    SIDE_NAMES,
    STICK_NAMES,
    Handoff,
)
from teamvla_envs.world import WorldState

from tests.conftest import FinishEpisodes
from tests.envs.tasks.conftest import MakeEnv, begin, part_of

GOALS = Handoff.goals


def draw_episodes(count: int, split: str = "train", num_arms: int = 2) -> tuple[Handoff, Mapping[str, np.ndarray]]:
    """A task and the facts of ``count`` random episodes of it."""
    task = Handoff(num_arms, split=split)
    return task, task.initial_state(np.random.default_rng(0).random((count, Handoff.draws.count))).facts


def named_stick(env: TeamVectorEnv) -> np.ndarray:
    """Positions of the sticks that the sentences name, shape ``(N, 3)``."""
    return env.world.body_pos[np.arange(env.num_envs), part_of(env, "episode")["stick"]]


# -- the expert ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_arms", [3, 4])
def test_more_arms_pass_the_stick_around_the_table(make_env: MakeEnv, finish_episodes: FinishEpisodes, num_arms: int):
    env = make_env("handoff", 12, num_arms=num_arms)
    begin(env)
    assert finish_episodes(env).success.sum() >= 11
    assert part_of(env, "memory")["passed"].all(axis=1).sum() >= 11


def test_the_expert_picks_a_dropped_stick_up_again(make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env("handoff", 12, max_episode_steps=400)
    begin(env)
    for _ in range(75):
        env.step(env.expert_actions())
    lifted = named_stick(env)[:, 2] > 0.1
    assert lifted.sum() >= 8
    for _ in range(10):
        actions = env.expert_actions().reshape(12, 2, -1)
        actions[..., -1] = 1.0
        *_, info = env.step(actions.reshape(12, -1))
    assert (named_stick(env)[:, 2] < 0.1).all()
    dropped = lifted & (info["end_reason"] == "")
    assert finish_episodes(env).success[dropped].mean() >= 0.9


def test_a_held_stick_never_jumps_and_hands_touch_only_the_named_stick(
    make_env: MakeEnv, finish_episodes: FinishEpisodes
):
    env = make_env("handoff", 20)
    begin(env)
    facts, rows = part_of(env, "episode"), np.arange(20)
    fastest, touched = np.zeros(20), np.zeros((20, len(env.scene.contact_pairs)), bool)

    def watch() -> np.ndarray:
        speed = np.linalg.norm(env.world.body_vel[rows, facts["stick"], :3], axis=-1)
        np.maximum(fastest, np.where(env._signals["held"], speed, 0.0), out=fastest)
        np.logical_or(touched, env.world.contact_count > 0, out=touched)
        return env.expert_actions()

    finish_episodes(env, watch)
    assert fastest.min() > 0.2
    assert fastest.max() < 0.7
    pairs = env.scene.contact_pairs
    for world in range(20):
        hit = {(pair.first, pair.second) for pair, touch in zip(pairs, touched[world], strict=True) if touch}
        assert hit == {(f"arm_{arm}/hand", f"stick_{facts['stick'][world]}") for arm in range(2)}


# -- success -------------------------------------------------------------------------------------------------------


@pytest.fixture
def solved(make_env: MakeEnv) -> TeamVectorEnv:
    """Eight episodes just after the expert has solved them."""
    env = make_env("handoff", 8)
    begin(env)
    for _ in range(240):
        env.step(env.expert_actions())
    assert is_success(env).all()
    return env


def is_success(env: TeamVectorEnv, world: Any = None, **memory: np.ndarray) -> np.ndarray:
    """Whether the present state, with another world or memory, counts as reaching the goal."""
    facts, remembered = part_of(env, "episode"), part_of(env, "memory") | memory
    return np.asarray(env.task.is_success(env.task.signals(world or env.world, facts, remembered)))


def test_a_stick_that_a_hand_still_touches_does_not_count(solved: TeamVectorEnv):
    facts, rows = part_of(solved, "episode"), np.arange(8)
    assert solved.world.contact_layout is not None
    columns = solved.world.contact_layout.columns("grasp")
    for arm in range(2):
        contacts = solved.world.contact_count.copy()
        contacts[rows, columns[arm, facts["stick"]]] = 1
        assert not is_success(solved, replace(solved.world, contact_count=contacts)).any()


def test_the_other_stick_or_the_other_pad_does_not_count(solved: TeamVectorEnv):
    stick, rows = part_of(solved, "episode")["stick"], np.arange(8)
    pos = solved.world.body_pos.copy()
    pos[rows, 1 - stick], pos[rows, stick] = pos[rows, stick], pos[rows, 1 - stick]
    assert not is_success(solved, replace(solved.world, body_pos=pos)).any()
    pos = solved.world.body_pos.copy()
    pos[..., 1] *= -1
    assert not is_success(solved, replace(solved.world, body_pos=pos)).any()


def test_a_stick_above_the_pad_does_not_count(solved: TeamVectorEnv):
    pos = solved.world.body_pos.copy()
    pos[..., 2] += 0.011
    assert not is_success(solved, replace(solved.world, body_pos=pos)).any()


def test_a_stick_that_was_not_in_every_hand_does_not_count(solved: TeamVectorEnv):
    for arm in range(2):
        passed = np.ones((8, 2), bool)
        passed[:, arm] = False
        assert not is_success(solved, passed=passed).any()


def test_a_stick_that_was_dropped_on_its_pad_does_not_count_until_it_is_laid_down(
    make_env: MakeEnv, finish_episodes: FinishEpisodes
):
    env = make_env("handoff", 12, max_episode_steps=400)
    begin(env)
    dropped = np.zeros(12, bool)
    for _ in range(240):
        actions = env.expert_actions().reshape(12, 2, -1)
        signals = env._signals
        over = signals["last"] & signals["held"] & (signals["lateral"] < 0.03)
        dropped |= over & (signals["pos"][:, 2] - signals["width"] / 2 < 2.5 * LAID)
        actions[dropped] = (*np.zeros(7), 1.0)
        *_, info = env.step(actions.reshape(12, -1))
    assert dropped.all()
    on_pad = (env._signals["lateral"] < 0.05) & (np.abs(env._signals["to_goal"][:, 2]) < 0.01)
    assert on_pad.sum() >= 6
    assert not info["is_success"].any()
    assert finish_episodes(env).rate() >= 0.9


# -- the sentence --------------------------------------------------------------------------------------------------


def goals_that_fit(task: Handoff, sentence: str, facts: Mapping[str, np.ndarray], world: int) -> list[str]:
    """Goals that an instruction allows, given colors, sides and arms."""
    fits = []
    for goal, name in enumerate(GOALS):
        stick, pad = divmod(goal, 2)
        sticks = (
            f"the {STICK_NAMES[int(facts['stick_color'][world, stick])]} stick",
            f"the {ARM_NAMES[stick]} arm's stick",
        )
        color = f"{PAD_NAMES[int(facts['pad_color'][world, stick, pad])]} pad"
        last = f"{ARM_NAMES[(stick - 1) % task.num_arms]} arm"
        right_pad = f"the {color}" in sentence or f"the {SIDE_NAMES[pad]} pad" in sentence
        if task.num_arms > 2:
            right_pad = color in sentence and f"the {last}" in sentence.replace(sticks[1], "")
        if any(words in sentence for words in sticks) and right_pad:
            fits.append(name)
    return fits


@pytest.mark.parametrize("num_arms", [2, 3, 4])
@pytest.mark.parametrize("split", ["train", "unseen"])
def test_the_sentence_fits_one_goal_and_that_is_the_true_one(split: str, num_arms: int):
    task, facts = draw_episodes(1000, split, num_arms)
    for world in range(1000):
        sentence = task.instruction(facts, world)
        assert goals_that_fit(task, sentence, facts, world) == [GOALS[facts["goal"][world]]], sentence


@pytest.mark.parametrize("num_arms", [2, 3])
@pytest.mark.parametrize("split", ["train", "unseen"])
def test_every_other_sentence_that_could_tell_the_goal_fits_it_alone(split: str, num_arms: int):
    task, facts = draw_episodes(60, split, num_arms)
    for world in range(60):
        sentences = task.sentences(facts, world)
        assert task.instruction(facts, world) in sentences
        assert all(goals_that_fit(task, said, facts, world) == [GOALS[facts["goal"][world]]] for said in sentences)


@pytest.mark.parametrize("num_arms", [3, 4])
def test_the_arm_that_a_relay_names_is_the_one_in_front_of_the_goal(num_arms: int):
    task, facts = draw_episodes(200, num_arms=num_arms)
    bases = np.array([task.base(arm)[0] for arm in range(num_arms)])
    for world in range(200):
        nearest = np.linalg.norm(bases - facts["goal_pos"][world, :2], axis=-1).argmin()
        said = task.instruction(facts, world).replace(f"the {ARM_NAMES[facts['stick'][world]]} arm's stick", "")
        assert f"the {ARM_NAMES[nearest]} arm" in said


def test_every_way_to_name_a_stick_and_a_pad_occurs():
    task, facts = draw_episodes(3000)
    sentences = " ".join(task.instruction(facts, world) for world in range(3000))
    assert all(f"the {name} stick" in sentences for name in STICK_NAMES)
    assert all(f"the {name} arm's stick" in sentences for name in ARM_NAMES[:2])
    assert all(f"the {name} pad" in sentences for name in (*PAD_NAMES, *SIDE_NAMES))


def test_each_split_has_its_own_arrangements_of_colors():
    for split, pairs in COLOR_PAIRS.items():
        _, facts = draw_episodes(1000, split)
        assert {tuple(pair) for pair in facts["stick_color"].tolist()} == set(pairs)
        assert {tuple(pair) for pair in facts["pad_color"].reshape(-1, 2).tolist()} == set(pairs)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_stick_that_rolled_by_quarters_has_the_same_pose(make_env: MakeEnv, quarters: int):
    env = make_env("handoff", 8)
    begin(env)
    cos, sin = np.cos(quarters * np.pi / 2), np.sin(quarters * np.pi / 2)
    roll = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    rolled = replace(env.world, body_rot=env.world.body_rot @ roll)

    def pose(world: WorldState) -> np.ndarray:
        facts = part_of(env, "episode")
        signals = env.task.signals(world, facts, part_of(env, "memory"))
        return np.asarray(env.task.state_parts(world, facts, signals)["object_rot6d"])

    assert_allclose(pose(rolled), pose(env.world), atol=1e-6)
    assert_allclose(pose(rolled)[:, 3:], [[0, 0, 1]] * 8, atol=1e-6)


# -- starts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_arms", [2, 3, 4])
def test_sticks_start_within_reach_of_their_own_arm_alone_and_off_every_pad(num_arms: int):
    task = Handoff(num_arms)
    start = task.initial_state(np.random.default_rng(0).random((2000, Handoff.draws.count)))
    bases = np.array([task.base(arm)[0] for arm in range(num_arms)])
    pads = np.array([task._pad_pos(s, p) for s in range(2) for p in range(2)])
    for s in range(2):
        xy = start.body_pose[f"stick_{s}"][:, :2]
        reach = np.linalg.norm(xy[:, None] - bases, axis=-1)
        assert reach[:, s].max() < 0.55
        assert np.delete(reach, s, axis=1).min() > reach[:, s].max()
        assert np.linalg.norm(xy[:, None] - pads, axis=-1).min() > 0.15


def test_without_randomization_all_sticks_start_alike():
    start = Handoff(randomization="none").initial_state(np.random.default_rng(0).random((50, Handoff.draws.count)))
    for s in range(2):
        pose = start.body_pose[f"stick_{s}"]
        assert_array_equal(pose, np.broadcast_to(pose[0], pose.shape))
        assert len(np.unique(start.fields["body_mass", f"stick_{s}"])) == 1
    assert set(start.facts["goal"]) == {0, 1, 2, 3}
