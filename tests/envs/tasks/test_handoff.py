"""Handoff: every hand is needed, the expert passes the stick on, and only the sentence tells which and where to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.seeds import episode_seeds
from teamvla_envs.sim.base import WorldState
from teamvla_envs.tasks.base import COLOR_PAIRS
from teamvla_envs.tasks.handoff import (
    ARM_NAMES,
    LAID,
    PAD_NAMES,
    SIDE_NAMES,
    STICK_NAMES,
    Handoff,
)
from teamvla_envs.tasks.handoff_sentences import PASS, RELAY

from tests.conftest import FinishEpisodes, Outcome

MakeHandoff = Callable[..., TeamVectorEnv]
GOALS = Handoff.goals


@pytest.fixture
def make_handoff() -> Iterator[MakeHandoff]:
    """Makes vector environments of Handoff whose ended episodes rest, and closes them after the test."""
    made: list[TeamVectorEnv] = []

    def make(num_envs: int = 1, **kwargs: Any) -> TeamVectorEnv:
        made.append(TeamVectorEnv("handoff", num_envs, autoreset_mode="Disabled", **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


def begin(env: TeamVectorEnv, offset: int = 0) -> None:
    """Begin the held-out episodes that follow ``offset``."""
    env.reset(seed=episode_seeds("test", env.num_envs, offset).tolist())


def draw_episodes(count: int, split: str = "train", num_arms: int = 2) -> tuple[Handoff, Mapping[str, np.ndarray]]:
    """A task and the facts of ``count`` random episodes of it."""
    task = Handoff(num_arms, split=split)
    return task, task.start(np.random.default_rng(0).random((count, Handoff.draws))).episode


def part_of(env: TeamVectorEnv, prefix: str) -> dict[str, np.ndarray]:
    """The facts (``"episode"``) or the memory (``"memory"``) of the running episodes."""
    return {key.split(".")[1]: value for key, value in env.get_state().items() if key.startswith(f"{prefix}.")}


def named_stick(env: TeamVectorEnv) -> np.ndarray:
    """Positions of the sticks that the sentences name, shape ``(N, 3)``."""
    return env.world.body_pos[np.arange(env.num_envs), part_of(env, "episode")["stick"]]


def freeze(env: TeamVectorEnv, arm: int) -> Callable[[], np.ndarray]:
    """The expert, except that one arm keeps still with its gripper open."""

    def act() -> np.ndarray:
        actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
        actions[:, arm] = 0.0
        actions[:, arm, -1] = 1.0
        return actions.reshape(env.num_envs, -1)

    return act


def never_release(env: TeamVectorEnv) -> Callable[[], np.ndarray]:
    """The expert, except that the last arm does not open its gripper once it has the stick."""

    def act() -> np.ndarray:
        actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
        last = (part_of(env, "episode")["stick"] - 1) % env.num_arms
        rows = np.arange(env.num_envs)
        has = part_of(env, "memory")["passed"][rows, last]
        actions[rows[has], last[has], -1] = -1.0
        return actions.reshape(env.num_envs, -1)

    return act


# -- the expert ----------------------------------------------------------------------------------------------------


def test_the_expert_solves_forty_held_out_episodes(make_handoff: MakeHandoff, finish_episodes: FinishEpisodes):
    env = make_handoff(40)
    begin(env)
    outcome = finish_episodes(env)
    assert outcome.success.all(), f"seeds {env.seeds[~outcome.success].tolist()}"
    assert set(outcome.goals) == set(GOALS)
    assert np.median(outcome.steps) <= 200


@pytest.mark.slow
def test_the_expert_solves_almost_all_of_a_thousand_held_out_episodes(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes
):
    env = make_handoff(250)
    parts = []
    for offset in range(0, 1000, 250):
        begin(env, offset)
        parts.append(finish_episodes(env))
    names = ("success", "steps", "goals")
    outcome = Outcome(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    assert outcome.rate() >= 0.98
    assert {goal: outcome.rate(goal) >= 0.96 for goal in GOALS} == dict.fromkeys(GOALS, True)
    assert np.median(outcome.steps) <= 200


@pytest.mark.parametrize("action_mode", ["joint_pos", "ee_delta"])
def test_the_expert_speaks_every_action_mode(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, action_mode: str
):
    env = make_handoff(8, action_mode=action_mode)
    begin(env)
    assert finish_episodes(env).success.all()


@pytest.mark.slow
@pytest.mark.parametrize("action_mode", ["joint_pos", "ee_delta"])
def test_the_expert_speaks_every_action_mode_in_two_hundred_episodes(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, action_mode: str
):
    env = make_handoff(200, action_mode=action_mode)
    begin(env)
    assert finish_episodes(env).rate() >= 0.95


@pytest.mark.parametrize("num_arms", [3, 4])
def test_more_arms_pass_the_stick_around_the_table(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, num_arms: int
):
    env = make_handoff(12, num_arms=num_arms)
    begin(env)
    assert finish_episodes(env).success.sum() >= 11
    assert part_of(env, "memory")["passed"].all(axis=1).sum() >= 11


@pytest.mark.slow
@pytest.mark.parametrize("num_arms", [3, 4])
def test_more_arms_pass_the_stick_around_the_table_in_three_hundred_episodes(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, num_arms: int
):
    env = make_handoff(300, num_arms=num_arms)
    begin(env)
    assert finish_episodes(env).rate() >= 0.95


def test_the_expert_copes_with_hard_randomization(make_handoff: MakeHandoff, finish_episodes: FinishEpisodes):
    env = make_handoff(20, randomization="hard")
    begin(env)
    assert finish_episodes(env).rate() >= 0.85


@pytest.mark.slow
def test_the_expert_copes_with_hard_randomization_in_two_hundred_episodes(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes
):
    env = make_handoff(200, randomization="hard")
    begin(env)
    assert finish_episodes(env).rate() >= 0.95


@pytest.mark.parametrize("arm", [0, 1])
def test_one_arm_cannot_do_it_alone(make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, arm: int):
    env = make_handoff(8, max_episode_steps=200)
    begin(env)
    assert finish_episodes(env, freeze(env, arm)).success.sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("num_arms", "arm"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
def test_one_arm_cannot_be_spared_in_a_hundred_episodes(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, num_arms: int, arm: int
):
    env = make_handoff(100, num_arms=num_arms)
    begin(env)
    assert finish_episodes(env, freeze(env, arm)).success.sum() == 0


def test_the_expert_copes_with_noise_that_drifts(make_handoff: MakeHandoff, finish_episodes: FinishEpisodes):
    env = make_handoff(20)
    begin(env)
    rng, drift = np.random.default_rng(0), np.zeros((20, 2, 7))

    def act() -> np.ndarray:
        nonlocal drift
        drift = 0.8 * drift + 0.0015 / 0.05 * rng.standard_normal(drift.shape)
        actions = env.expert_actions().reshape(20, 2, -1)
        actions[..., :7] += drift
        return actions.reshape(20, -1)

    assert finish_episodes(env, act).rate() >= 0.9


@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
def test_the_expert_takes_over_after_sixty_random_steps(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes, steps_alike: int
):
    env = make_handoff(20, max_episode_steps=360)
    begin(env)
    rng = np.random.default_rng(0)
    for step in range(60):
        if step % steps_alike == 0:
            actions = rng.uniform(-1, 1, (20, 16))
        *_, info = env.step(actions)
    on_table = info["end_reason"] == ""
    assert on_table.sum() >= 15
    assert finish_episodes(env).success[on_table].mean() >= 0.9


def test_the_expert_picks_a_dropped_stick_up_again(make_handoff: MakeHandoff, finish_episodes: FinishEpisodes):
    env = make_handoff(12, max_episode_steps=400)
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


def test_the_expert_needs_no_memory_of_its_own(make_handoff: MakeHandoff):
    env, other = make_handoff(4), make_handoff(4)
    begin(env)
    for _ in range(100):
        env.step(env.expert_actions())
    other.set_state(env.get_state())
    assert_array_equal(other.expert_actions(), env.expert_actions())


def test_a_held_stick_never_jumps_and_hands_touch_only_the_named_stick(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes
):
    env = make_handoff(20)
    begin(env)
    facts, rows = part_of(env, "episode"), np.arange(20)
    fastest, touched = np.zeros(20), np.zeros((20, len(env._sim.scene.contact_pairs)), bool)

    def watch() -> np.ndarray:
        speed = np.linalg.norm(env.world.body_vel[rows, facts["stick"], :3], axis=-1)
        np.maximum(fastest, np.where(env._signals["held"], speed, 0.0), out=fastest)
        np.logical_or(touched, env.world.contact_count > 0, out=touched)
        return env.expert_actions()

    finish_episodes(env, watch)
    assert fastest.min() > 0.2
    assert fastest.max() < 0.7
    pairs = env._sim.scene.contact_pairs
    for world in range(20):
        hit = {pair for pair, touch in zip(pairs, touched[world], strict=True) if touch}
        assert hit == {(f"arm_{arm}/hand", f"stick_{facts['stick'][world]}") for arm in range(2)}


# -- success -------------------------------------------------------------------------------------------------------


@pytest.fixture
def solved(make_handoff: MakeHandoff) -> TeamVectorEnv:
    """Eight episodes just after the expert has solved them."""
    env = make_handoff(8)
    begin(env)
    for _ in range(240):
        env.step(env.expert_actions())
    assert succeeds(env).all()
    return env


def succeeds(env: TeamVectorEnv, world: Any = None, **memory: np.ndarray) -> np.ndarray:
    """Whether the present state, with another world or memory, counts as reaching the goal."""
    facts, remembered = part_of(env, "episode"), part_of(env, "memory") | memory
    return np.asarray(env.task.succeeds(env.task.signals(world or env.world, facts, remembered)))


def test_a_stick_that_a_hand_still_touches_does_not_count(solved: TeamVectorEnv):
    facts, rows = part_of(solved, "episode"), np.arange(8)
    for arm in range(2):
        contacts = solved.world.contact_count.copy()
        contacts[rows, 2 * facts["stick"] + arm] = 1
        assert not succeeds(solved, replace(solved.world, contact_count=contacts)).any()


def test_the_other_stick_or_the_other_pad_does_not_count(solved: TeamVectorEnv):
    stick, rows = part_of(solved, "episode")["stick"], np.arange(8)
    pos = solved.world.body_pos.copy()
    pos[rows, 1 - stick], pos[rows, stick] = pos[rows, stick], pos[rows, 1 - stick]
    assert not succeeds(solved, replace(solved.world, body_pos=pos)).any()
    pos = solved.world.body_pos.copy()
    pos[..., 1] *= -1
    assert not succeeds(solved, replace(solved.world, body_pos=pos)).any()


def test_a_stick_above_the_pad_does_not_count(solved: TeamVectorEnv):
    pos = solved.world.body_pos.copy()
    pos[..., 2] += 0.011
    assert not succeeds(solved, replace(solved.world, body_pos=pos)).any()


def test_a_stick_that_was_not_in_every_hand_does_not_count(solved: TeamVectorEnv):
    for arm in range(2):
        passed = np.ones((8, 2), bool)
        passed[:, arm] = False
        assert not succeeds(solved, passed=passed).any()


def test_a_stick_that_was_dropped_on_its_pad_does_not_count_until_it_is_laid_down(
    make_handoff: MakeHandoff, finish_episodes: FinishEpisodes
):
    env = make_handoff(12, max_episode_steps=400)
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
    on_pad = (env._signals["lateral"] < 0.05) & (np.abs(env._signals["error"][:, 2]) < 0.01)
    assert on_pad.sum() >= 6
    assert not info["is_success"].any()
    assert finish_episodes(env).rate() >= 0.9


def test_success_must_be_held_for_ten_steps(make_handoff: MakeHandoff):
    env = make_handoff(6)
    begin(env)
    first_held, ended = np.full(6, -1), np.full(6, -1)
    for step in range(1, 241):
        _, _, terminated, _, _ = env.step(env.expert_actions())
        first_held = np.where((env.get_state()["held"] == 1) & (ended < 0), step, first_held)
        ended = np.where(terminated & (ended < 0), step, ended)
    assert_array_equal(ended - first_held + 1, 10)


# -- the sentence --------------------------------------------------------------------------------------------------


def told(env: TeamVectorEnv, goals: np.ndarray) -> dict[str, np.ndarray]:
    """The state of ``env`` with other goals."""
    task, state, rows = env.task, env.get_state(), np.arange(env.num_envs)
    assert isinstance(task, Handoff)
    stick, pad = goals // 2, goals % 2
    pads = np.array([[task._pad_pos(s, p) for p in range(2)] for s in range(2)])
    height = state["episode.width"][rows, stick][:, None] / 2
    facts = {"goal": goals, "stick": stick, "goal_pos": np.concatenate([pads[stick, pad], height], axis=-1)}
    return state | {f"episode.{key}": values for key, values in facts.items()}


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_who_does_something_else_than_the_sentence_says_fails(make_handoff: MakeHandoff, turn: int):
    env, misled = make_handoff(12, max_episode_steps=230), make_handoff(12, max_episode_steps=230)
    begin(env)
    begin(misled)
    misled.set_state(told(misled, (part_of(env, "episode")["goal"] + turn) % 4))
    for _ in range(230):
        actions = misled.expert_actions()
        *_, wrong = misled.step(actions)
        *_, info = env.step(actions)
    assert wrong["is_success"].sum() >= 11
    assert not info["is_success"].any()


@pytest.mark.slow
def test_who_guesses_the_goal_succeeds_by_chance(make_handoff: MakeHandoff):
    env, guess = make_handoff(200, max_episode_steps=240), make_handoff(200, max_episode_steps=240)
    begin(env)
    begin(guess)
    guess.set_state(told(guess, np.random.default_rng(0).integers(0, 4, 200)))
    for _ in range(240):
        actions = guess.expert_actions()
        guess.step(actions)
        *_, info = env.step(actions)
    assert 0.15 <= info["is_success"].mean() <= 0.35


def goals_that_fit(task: Handoff, sentence: str, facts: Mapping[str, np.ndarray], world: int) -> list[str]:
    """What a reader who sees colors, sides and arms may understand."""
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
    bases = np.array([task._base(arm)[0] for arm in range(num_arms)])
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


@pytest.mark.parametrize("family", [PASS, RELAY], ids=["pass", "relay"])
def test_a_family_has_enough_paraphrases_and_none_of_the_held_out_ones_in_training(family):
    assert len(set(family.train)) >= 12
    assert len(set(family.unseen)) >= 6
    assert not set(family.train) & set(family.unseen)


def test_each_split_has_its_own_arrangements_of_colors():
    for split, pairs in COLOR_PAIRS.items():
        _, facts = draw_episodes(1000, split)
        assert {tuple(pair) for pair in facts["stick_color"].tolist()} == set(pairs)
        assert {tuple(pair) for pair in facts["pad_color"].reshape(-1, 2).tolist()} == set(pairs)


def test_the_expert_solves_unseen_combinations_too(make_handoff: MakeHandoff, finish_episodes: FinishEpisodes):
    env = make_handoff(8, split="unseen")
    begin(env)
    assert finish_episodes(env).success.all()


def test_the_scene_is_drawn_without_regard_to_the_goal():
    task, draws = Handoff(), np.random.default_rng(0).random((400, Handoff.draws))
    goals = [task.start(mirrored(draws, i)).episode["goal"] for i in range(Handoff.draws)]
    first = task.start(draws)
    changing = [i for i, goal in enumerate(goals) if not np.array_equal(goal, first.episode["goal"])]
    assert len(changing) == 1
    other = task.start(mirrored(draws, changing[0]))
    for name, pose in first.body_pose.items():
        assert_array_equal(other.body_pose[name], pose)
    for field, values in first.fields.items():
        assert_array_equal(other.fields[field], values)
    assert np.abs(np.bincount(first.episode["goal"]) / 400 - 1 / 4).max() < 0.08


def mirrored(draws: np.ndarray, changed: int) -> np.ndarray:
    """Uniform numbers, one column of them mirrored."""
    return np.where(np.arange(draws.shape[1]) == changed, 1 - draws, draws)


def test_what_is_left_of_the_state_without_the_goal_parts_does_not_depend_on_the_goal(make_handoff: MakeHandoff):
    env, other = make_handoff(8), make_handoff(8)
    for each in (env, other):
        begin(each)
        for _ in range(3):
            each.step(np.zeros((8, 16)))
    other.set_state(told(other, (part_of(other, "episode")["goal"] + 2) % 4))
    for name, part in env.state_parts(told=False).items():
        assert_array_equal(other.state_parts(told=False)[name], part, err_msg=name)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_stick_that_rolled_by_quarters_has_the_same_pose(make_handoff: MakeHandoff, quarters: int):
    env = make_handoff(8)
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


# -- starts, rewards, phases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_arms", [2, 3, 4])
def test_sticks_start_within_reach_of_their_own_arm_alone_and_off_every_pad(num_arms: int):
    task = Handoff(num_arms)
    start = task.start(np.random.default_rng(0).random((2000, Handoff.draws)))
    bases = np.array([task._base(arm)[0] for arm in range(num_arms)])
    pads = np.array([task._pad_pos(s, p) for s in range(2) for p in range(2)])
    for s in range(2):
        xy = start.body_pose[f"stick_{s}"][:, :2]
        reach = np.linalg.norm(xy[:, None] - bases, axis=-1)
        assert reach[:, s].max() < 0.55
        assert np.delete(reach, s, axis=1).min() > reach[:, s].max()
        assert np.linalg.norm(xy[:, None] - pads, axis=-1).min() > 0.15


def test_without_randomization_all_sticks_start_alike():
    start = Handoff(randomization="none").start(np.random.default_rng(0).random((50, Handoff.draws)))
    for s in range(2):
        pose = start.body_pose[f"stick_{s}"]
        assert_array_equal(pose, np.broadcast_to(pose[0], pose.shape))
        assert len(np.unique(start.fields["body_mass", f"stick_{s}"])) == 1
    assert set(start.episode["goal"]) == {0, 1, 2, 3}


def test_reward_terms_lie_between_zero_and_one_and_weights_sum_to_one(make_handoff: MakeHandoff):
    env = make_handoff(12)
    begin(env)
    rng = np.random.default_rng(0)
    for step in range(230):
        terms = env.task.reward_terms(env._signals)
        assert sum(weight for weight, _ in terms.values()) == pytest.approx(1)
        for name, (_, value) in terms.items():
            assert ((value >= 0) & (value <= 1)).all(), name
        actions = env.expert_actions()
        actions[6:] = rng.uniform(-1, 1, actions[6:].shape) if step % 5 else actions[6:]
        env.step(actions)


def test_dense_reward_grows_along_the_phases(make_handoff: MakeHandoff):
    env = make_handoff(12)
    begin(env)
    rewards, phases = [], []
    alive = np.ones(12, bool)
    while alive.any():
        _, reward, terminated, truncated, info = env.step(env.expert_actions())
        plain = (reward - info["is_success"])[alive]
        assert ((plain >= -1) & (plain <= 0)).all()
        rewards.extend(plain)
        phases.extend(info["phase"][alive])
        alive &= ~(terminated | truncated)
    means = [np.mean(np.array(rewards)[np.array(phases) == phase]) for phase in sorted(set(phases))]
    assert (np.diff(means) > 0).all()


def test_the_expert_earns_more_than_who_freezes_trembles_or_never_lets_go(make_handoff: MakeHandoff):
    rng = np.random.default_rng(0)

    def earn(policy: Callable[[TeamVectorEnv], Callable[[], np.ndarray]]) -> np.ndarray:
        env = make_handoff(6)
        begin(env)
        act, total = policy(env), np.zeros(6)
        for _ in range(env.max_episode_steps):
            total += env.step(act())[1]
        return total

    expert = earn(lambda env: env.expert_actions)
    for other in (
        lambda env: lambda: np.zeros((6, 16)),
        lambda env: lambda: rng.uniform(-1, 1, (6, 16)),
        lambda env: freeze(env, 0),
        never_release,
    ):
        assert (expert > earn(other) + 5).all()


def test_an_expert_episode_goes_through_the_phases_in_order(make_handoff: MakeHandoff):
    env = make_handoff(12)
    begin(env)
    phases = np.array([env.step(env.expert_actions())[4]["phase"] for _ in range(240)])
    assert (np.diff(phases, axis=0) >= 0).all()
    assert {env.phases[phase] for phase in phases[0]} == {"approach"}
    assert {env.phases[phase] for phase in phases[-1]} == {"done"}
    for world in range(12):
        assert set(phases[:, world]) >= {env.phases.index(name) for name in ("lift", "meet", "transfer", "place")}


# -- array programs ------------------------------------------------------------------------------------------------


def torch_twin(value):
    """The same data as torch tensors."""
    import torch

    if isinstance(value, Mapping):
        return {key: torch_twin(item) for key, item in value.items()}
    return torch.from_numpy(np.array(value))


@pytest.mark.parametrize(
    "method", ["signals", "succeeds", "hold_steps", "reward_terms", "phase", "state_parts", "tool_goals", "lost"]
)
def test_the_task_computes_the_same_in_torch(make_handoff: MakeHandoff, method: str):
    env = make_handoff(6)
    begin(env)
    for _ in range(105):
        env.step(env.expert_actions())
    facts, memory, world, chains = part_of(env, "episode"), part_of(env, "memory"), env.world, env._sim.chains

    def twin(data):
        return replace(data, **{field.name: torch_twin(getattr(data, field.name)) for field in fields(data)})

    def compute(world, chains, facts, memory):
        signals = env.task.signals(world, facts, memory)
        arguments = {
            "signals": (world, facts, memory),
            "hold_steps": (facts,),
            "state_parts": (world, facts, signals),
            "tool_goals": (world, chains, facts, signals),
            "lost": (world,),
        }
        return getattr(env.task, method)(*arguments.get(method, (signals,)))

    def assert_same(numpy_value, torch_value):
        if is_dataclass(numpy_value):
            numpy_value, torch_value = vars(numpy_value), vars(torch_value)
        if isinstance(numpy_value, Mapping):
            assert set(numpy_value) == set(torch_value)
            for key in numpy_value:
                assert_same(numpy_value[key], torch_value[key])
        elif isinstance(numpy_value, tuple):
            for pair in zip(numpy_value, torch_value, strict=True):
                assert_same(*pair)
        else:
            assert_allclose(np.asarray(torch_value), numpy_value, atol=1e-9)

    expected = compute(world, chains, facts, memory)
    assert_same(expected, compute(twin(world), twin(chains), torch_twin(facts), torch_twin(memory)))
