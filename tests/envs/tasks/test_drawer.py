"""Drawer: it shuts by itself, two arms solve it, one cannot, and only the sentence tells what to do."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.props import Cabinet
from teamvla_envs.seeds import episode_seeds
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.sim.visible import segment_names
from teamvla_envs.tasks.base import COLOR_PAIRS
from teamvla_envs.tasks.drawer import (
    ARM_NAMES,
    CABINET,
    CUBE_NAMES,
    CUBES,
    FRONT_NAMES,
    PLACE_NAMES,
    SHUT,
    SIZE_NAMES,
    Drawer,
)
from teamvla_envs.tasks.drawer_sentences import INTO, OPENER

from tests.conftest import FinishEpisodes, Outcome

MakeDrawer = Callable[..., TeamVectorEnv]
GOALS = Drawer.goals


@pytest.fixture
def make_drawer() -> Iterator[MakeDrawer]:
    """Makes vector environments of Drawer whose ended episodes rest, and closes them after the test."""
    made: list[TeamVectorEnv] = []

    def make(num_envs: int = 1, **kwargs: Any) -> TeamVectorEnv:
        made.append(TeamVectorEnv("drawer", num_envs, autoreset_mode="Disabled", **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


def begin(env: TeamVectorEnv, offset: int = 0) -> None:
    """Begin the held-out episodes that follow ``offset``."""
    env.reset(seed=episode_seeds("test", env.num_envs, offset).tolist())


def draw_episodes(count: int, split: str = "train") -> tuple[Drawer, Mapping[str, np.ndarray]]:
    """A task and the facts of ``count`` random episodes of it."""
    task = Drawer(split=split)
    return task, task.start(np.random.default_rng(0).random((count, Drawer.draws))).episode


def facts_of(env: TeamVectorEnv) -> dict[str, np.ndarray]:
    """The facts of the running episodes."""
    return {key.split(".")[1]: value for key, value in env.get_state().items() if key.startswith("episode.")}


# -- the cabinet ---------------------------------------------------------------------------------------------------


def let_go(env: TeamVectorEnv, pulled: float, steps: int = 30) -> np.ndarray:
    """Slide positions while nobody touches drawers that were pulled out, shape ``(steps, N, 2)`` [m]."""
    state = env.get_state()
    for joint in CABINET.joints:
        adr = env._sim.template.joint(joint).qposadr[0]
        state["physics"][:, 1 + adr] = pulled
    env.set_state(state)
    still = np.tile(np.append(np.zeros(7), 1.0), (env.num_envs, 2)).reshape(env.num_envs, -1)
    slides = []
    for _ in range(steps):
        env.step(still)
        slides.append(env.world.prop_joint_pos)
    return np.array(slides)


@pytest.mark.parametrize("pulled", [0.02, 0.10, 0.17, 0.20])
def test_a_drawer_that_nobody_holds_shuts_by_itself(make_drawer: MakeDrawer, pulled: float):
    env = make_drawer(1)
    begin(env)
    slides = let_go(env, pulled)
    assert (np.diff(slides[:15], axis=0) < 1e-3).all()
    assert (np.abs(slides[-1]) < 0.001).all()


def test_drawers_begin_shut_and_stay_shut_when_nobody_pulls(make_drawer: MakeDrawer):
    env = make_drawer(2)
    begin(env)
    assert_array_equal(env.world.prop_joint_pos, 0.0)
    assert_array_equal(env.world.prop_joint_vel, 0.0)
    assert np.abs(let_go(env, 0.0)).max() < 0.001


def test_a_reset_shuts_a_drawer_that_was_open(make_drawer: MakeDrawer):
    env = make_drawer(2)
    begin(env)
    let_go(env, 0.2, steps=1)
    assert env.world.prop_joint_pos.min() > 0.1
    env.reset(options={"reset_mask": np.array([True, False])})
    assert_array_equal(env.world.prop_joint_pos[0], 0.0)
    assert env.world.prop_joint_pos[1].min() > 0.1


def test_newton_keeps_spring_friction_and_inertia_of_the_slides():
    scene = Drawer().scene(("panda", "panda"))
    direct, compiled = mujoco.MjModel.from_xml_string(scene.xml), compile_scene(scene)
    for joint in CABINET.joints:
        ours, newtons = direct.joint(joint), compiled.joint(joint)
        for field in ("stiffness", "damping", "frictionloss", "armature", "range", "axis"):
            assert_allclose(getattr(newtons, field), getattr(ours, field), rtol=1e-6, err_msg=field)
        assert compiled.qpos_spring[newtons.qposadr] == pytest.approx(CABINET.spring_ref)
        bodies = [model.body(int(model.joint(joint).bodyid[0])) for model in (direct, compiled)]
        assert_allclose(bodies[1].mass, bodies[0].mass, rtol=1e-6)
        assert_allclose(bodies[1].inertia, bodies[0].inertia, rtol=1e-4)


def test_a_drawer_passes_the_other_drawers_handle():
    # Drawers do not collide with one another, so nothing but their sizes keeps them apart.
    cabinet = Cabinet()
    handle = cabinet.handles[0]
    assert handle.height + handle.length / 2 < cabinet.pitch


def test_cameras_see_cabinet_and_drawers_as_one_thing(make_drawer: MakeDrawer):
    env = make_drawer(1)
    begin(env)
    cabinet = 1 + segment_names(env.task.scene(("panda", "panda"))).index("cabinet")
    shut = env.render_cameras(("overhead",), 64, channel="segmentation")[0, 0] == cabinet
    let_go(env, 0.2, steps=1)
    opened = env.render_cameras(("overhead",), 64, channel="segmentation")[0, 0] == cabinet
    assert opened.sum() > 1.3 * shut.sum() > 0


# -- the expert ----------------------------------------------------------------------------------------------------


def test_the_expert_solves_forty_held_out_episodes(make_drawer: MakeDrawer, finish_episodes: FinishEpisodes):
    env = make_drawer(40)
    begin(env)
    outcome = finish_episodes(env)
    assert outcome.success.all(), f"seeds {env.seeds[~outcome.success].tolist()}"
    assert set(outcome.goals) == set(GOALS)
    assert np.median(outcome.steps) <= 250


@pytest.mark.slow
def test_the_expert_solves_almost_all_of_a_thousand_held_out_episodes(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes
):
    env = make_drawer(250)
    parts = []
    for offset in range(0, 1000, 250):
        begin(env, offset)
        parts.append(finish_episodes(env))
    names = ("success", "steps", "goals")
    outcome = Outcome(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    assert outcome.rate() >= 0.98
    assert {goal: outcome.rate(goal) >= 0.95 for goal in GOALS} == dict.fromkeys(GOALS, True)
    assert np.median(outcome.steps) <= 250


@pytest.mark.parametrize("action_mode", ["joint_pos", "ee_delta"])
def test_the_expert_speaks_every_action_mode(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes, action_mode: str
):
    env = make_drawer(8, action_mode=action_mode)
    begin(env)
    assert finish_episodes(env).success.all()


@pytest.mark.slow
@pytest.mark.parametrize("action_mode", ["joint_pos", "ee_delta"])
def test_the_expert_speaks_every_action_mode_in_two_hundred_episodes(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes, action_mode: str
):
    env = make_drawer(200, action_mode=action_mode)
    begin(env)
    assert finish_episodes(env).rate() >= 0.95


def test_the_expert_copes_with_hard_randomization(make_drawer: MakeDrawer, finish_episodes: FinishEpisodes):
    env = make_drawer(20, randomization="hard")
    begin(env)
    assert finish_episodes(env).rate() >= 0.85


@pytest.mark.slow
def test_the_expert_copes_with_hard_randomization_in_two_hundred_episodes(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes
):
    env = make_drawer(200, randomization="hard")
    begin(env)
    assert finish_episodes(env).rate() >= 0.95


def freeze(env: TeamVectorEnv, arm: int) -> Callable[[], np.ndarray]:
    """The expert, except that one arm keeps still with its gripper open."""

    def act() -> np.ndarray:
        actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
        actions[:, arm] = 0.0
        actions[:, arm, -1] = 1.0
        return actions.reshape(env.num_envs, -1)

    return act


@pytest.mark.parametrize("arm", [0, 1])
def test_one_arm_cannot_do_it_alone(make_drawer: MakeDrawer, finish_episodes: FinishEpisodes, arm: int):
    env = make_drawer(8, max_episode_steps=200)
    begin(env)
    assert finish_episodes(env, freeze(env, arm)).success.sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("arm", [0, 1])
def test_one_arm_cannot_do_it_alone_in_a_hundred_episodes(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes, arm: int
):
    env = make_drawer(100)
    begin(env)
    assert finish_episodes(env, freeze(env, arm)).success.sum() == 0


def test_the_expert_copes_with_noise_that_drifts(make_drawer: MakeDrawer, finish_episodes: FinishEpisodes):
    env = make_drawer(20)
    begin(env)
    rng, drift = np.random.default_rng(0), np.zeros((20, 2, 7))

    def act() -> np.ndarray:
        nonlocal drift
        drift = 0.8 * drift + 0.003 / 0.05 * rng.standard_normal(drift.shape)
        actions = env.expert_actions().reshape(20, 2, -1)
        actions[..., :7] += drift
        return actions.reshape(20, -1)

    assert finish_episodes(env, act).rate() >= 0.85


@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
def test_the_expert_takes_over_after_sixty_random_steps(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes, steps_alike: int
):
    env = make_drawer(20, max_episode_steps=360)
    begin(env)
    rng = np.random.default_rng(0)
    for step in range(60):
        if step % steps_alike == 0:
            actions = rng.uniform(-1, 1, (20, 16))
        *_, info = env.step(actions)
    on_table = info["end_reason"] == ""
    assert on_table.sum() >= 15
    assert finish_episodes(env).success[on_table].mean() >= (0.9 if steps_alike == 1 else 0.85)


def interrupted(env: TeamVectorEnv, phase: str, arm_of: str, steps: int) -> Callable[[], np.ndarray]:
    """The expert, except that one arm's gripper opens for some steps as soon as a phase is reached."""
    left = np.full(env.num_envs, steps)
    arm = facts_of(env)["drawer"] if arm_of == "puller" else 1 - facts_of(env)["drawer"]
    rows = np.arange(env.num_envs)

    def act() -> np.ndarray:
        actions = env.expert_actions().reshape(env.num_envs, 2, -1)
        reached = env.task.phase(env._signals) >= env.phases.index(phase)
        now = reached & (left > 0)
        left[now] -= 1
        actions[rows[now], arm[now], -1] = 1.0
        return actions.reshape(env.num_envs, -1)

    return act


@pytest.mark.parametrize("loser", ["puller", "filler"])
def test_the_expert_recovers_what_an_arm_loses_on_the_way(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes, loser: str
):
    env = make_drawer(12, max_episode_steps=400)
    begin(env)
    assert finish_episodes(env, interrupted(env, "carry", loser, 8)).rate() >= 0.9


def test_the_expert_needs_no_memory(make_drawer: MakeDrawer):
    env, other = make_drawer(4), make_drawer(4)
    begin(env)
    for _ in range(60):
        env.step(env.expert_actions())
    other.set_state(env.get_state())
    assert_array_equal(other.expert_actions(), env.expert_actions())


def test_a_held_cube_never_jumps_and_hands_touch_only_what_they_should(
    make_drawer: MakeDrawer, finish_episodes: FinishEpisodes
):
    env = make_drawer(20)
    begin(env)
    facts, rows = facts_of(env), np.arange(20)
    fastest, touched = np.zeros(20), np.zeros((20, len(env._sim.scene.contact_pairs)), bool)

    def watch() -> np.ndarray:
        held = env.task.phase(env._signals) == env.phases.index("carry")
        speed = np.linalg.norm(env.world.body_vel[rows, facts["target"], :3], axis=-1)
        np.maximum(fastest, np.where(held, speed, 0.0), out=fastest)
        np.logical_or(touched, env.world.contact_count > 0, out=touched)
        return env.expert_actions()

    finish_episodes(env, watch)
    assert fastest.min() > 0.1
    assert fastest.max() < 0.6
    for world in range(20):
        puller = int(facts["drawer"][world])
        wanted = {
            (f"arm_{puller}/hand", CABINET.drawers[puller]),
            (f"arm_{1 - puller}/hand", CUBES[int(facts["target"][world])]),
        }
        pairs = env._sim.scene.contact_pairs
        assert {pair for pair, hit in zip(pairs, touched[world], strict=True) if hit} == wanted


# -- success -------------------------------------------------------------------------------------------------------


@pytest.fixture
def solved(make_drawer: MakeDrawer) -> TeamVectorEnv:
    """Eight episodes just after the expert has solved them."""
    env = make_drawer(8)
    begin(env)
    for _ in range(220):
        env.step(env.expert_actions())
    assert succeeds(env).all()
    return env


def succeeds(env: TeamVectorEnv, **changes: Any) -> np.ndarray:
    """Whether the present state, changed in some of its named arrays, counts as reaching the goal."""
    state = env.get_state() | changes
    facts = {key.split(".")[1]: value for key, value in state.items() if key.startswith("episode.")}
    world = changes.get("world", env.world)
    signals = env.task.signals(world, facts, {"opened": state["memory.opened"]})
    return np.asarray(env.task.succeeds(signals))


def test_a_drawer_that_was_never_open_does_not_count(solved: TeamVectorEnv):
    assert not succeeds(solved, **{"memory.opened": np.zeros(8, bool)}).any()


def test_another_cube_or_another_drawer_does_not_count(solved: TeamVectorEnv):
    facts = facts_of(solved)
    assert not succeeds(solved, **{"episode.color": 1 - facts["color"]}).any()
    assert not succeeds(solved, **{"episode.drawer": 1 - facts["drawer"]}).any()


def test_a_second_cube_of_another_color_in_the_drawer_spoils_it(solved: TeamVectorEnv):
    from dataclasses import replace

    facts, rows = facts_of(solved), np.arange(8)
    pos = solved.world.body_pos.copy()
    pos[rows, facts["target"] ^ 1] = pos[rows, facts["target"]] + (0.05, 0, 0) * np.sign(
        -pos[rows, facts["target"], :1]
    )
    assert not succeeds(solved, world=replace(solved.world, body_pos=pos)).any()


@pytest.mark.parametrize("which", ["named", "other"])
def test_both_drawers_must_be_shut(solved: TeamVectorEnv, which: str):
    from dataclasses import replace

    drawer, rows = facts_of(solved)["drawer"], np.arange(8)
    slides = solved.world.prop_joint_pos.copy()
    slides[rows, drawer if which == "named" else 1 - drawer] = SHUT + 0.001
    assert not succeeds(solved, world=replace(solved.world, prop_joint_pos=slides)).any()


def test_success_must_be_held_for_ten_steps(make_drawer: MakeDrawer):
    env = make_drawer(6)
    begin(env)
    first_held, ended = np.full(6, -1), np.full(6, -1)
    for step in range(1, 221):
        _, _, terminated, _, _ = env.step(env.expert_actions())
        first_held = np.where((env.get_state()["held"] == 1) & (ended < 0), step, first_held)
        ended = np.where(terminated & (ended < 0), step, ended)
    assert_array_equal(ended - first_held + 1, 10)


# -- the sentence --------------------------------------------------------------------------------------------------


def told(env: TeamVectorEnv, goals: np.ndarray) -> dict[str, np.ndarray]:
    """The state of ``env`` with other goals."""
    drawer, color = goals // 2, goals % 2
    facts = {"goal": goals, "drawer": drawer, "color": color, "target": 2 * (1 - drawer) + color}
    return env.get_state() | {f"episode.{key}": values for key, values in facts.items()}


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_who_does_something_else_than_the_sentence_says_fails(make_drawer: MakeDrawer, turn: int):
    env, misled = make_drawer(12, max_episode_steps=180), make_drawer(12, max_episode_steps=180)
    begin(env)
    begin(misled)
    said = (facts_of(env)["goal"] + turn) % 4
    misled.set_state(told(misled, said))
    for _ in range(180):
        actions = misled.expert_actions()
        _, _, _, _, wrong = misled.step(actions)
        _, _, _, _, info = env.step(actions)
    assert wrong["is_success"].all()
    assert not info["is_success"].any()


@pytest.mark.slow
def test_who_guesses_the_goal_succeeds_by_chance(make_drawer: MakeDrawer):
    env, guess = make_drawer(200, max_episode_steps=200), make_drawer(200, max_episode_steps=200)
    begin(env)
    begin(guess)
    guess.set_state(told(guess, np.random.default_rng(0).integers(0, 4, 200)))
    for _ in range(200):
        actions = guess.expert_actions()
        guess.step(actions)
        *_, info = env.step(actions)
    assert 0.15 <= info["is_success"].mean() <= 0.35


def goals_that_fit(sentence: str, facts: Mapping[str, np.ndarray], world: int) -> list[str]:
    """What a reader who sees colors, sizes, places and arms may understand."""
    fits = []
    for goal, name in enumerate(GOALS):
        drawer, color = divmod(goal, 2)
        cubes = (
            f"{CUBE_NAMES[int(facts['cube_color'][world, color])]} cube",
            f"{SIZE_NAMES[int(color == facts['bigger'][world])]} cube",
        )
        drawers = (
            f"the {PLACE_NAMES[drawer]} drawer",
            f"the {FRONT_NAMES[int(facts['front_color'][world, drawer])]} drawer",
            f"the {ARM_NAMES[drawer]} arm",
        )
        if any(cube in sentence for cube in cubes) and any(words in sentence for words in drawers):
            fits.append(name)
    return fits


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_the_sentence_fits_one_goal_and_that_is_the_true_one(split: str):
    task, facts = draw_episodes(2000, split)
    for world in range(2000):
        sentence = task.instruction(facts, world)
        assert goals_that_fit(sentence, facts, world) == [GOALS[facts["goal"][world]]], sentence


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_every_other_sentence_that_could_tell_the_goal_fits_it_alone(split: str):
    task, facts = draw_episodes(60, split)
    for world in range(60):
        sentences = task.sentences(facts, world)
        assert task.instruction(facts, world) in sentences
        assert all(goals_that_fit(told, facts, world) == [GOALS[facts["goal"][world]]] for told in sentences)


def test_the_bigger_cubes_are_those_of_one_color_on_both_sides():
    _, facts = draw_episodes(500)
    size = facts["size"].reshape(500, 2, 2)
    assert_array_equal(size.argmax(axis=2), np.stack([facts["bigger"]] * 2, axis=1))
    assert np.abs(np.diff(size, axis=2)).min() > 0.006


def test_the_scene_is_drawn_without_regard_to_the_goal():
    task, draws = Drawer(), np.random.default_rng(0).random((400, Drawer.draws))
    goal = next(
        i for i in range(Drawer.draws) if not np.array_equal(facts_with(task, draws, i), facts_with(task, draws))
    )
    first, other = task.start(draws), task.start(np.where(np.arange(Drawer.draws) == goal, 1 - draws, draws))
    assert not np.array_equal(first.episode["goal"], other.episode["goal"])
    for name, pose in first.body_pose.items():
        assert_array_equal(other.body_pose[name], pose)
    for field, values in first.fields.items():
        assert_array_equal(other.fields[field], values)
    assert np.abs(np.bincount(first.episode["goal"]) / 400 - 1 / 4).max() < 0.08


def facts_with(task: Drawer, draws: np.ndarray, changed: int = -1) -> np.ndarray:
    """Goals with one of the uniform numbers mirrored."""
    return task.start(np.where(np.arange(draws.shape[1]) == changed, 1 - draws, draws)).episode["goal"]


def test_every_way_to_name_a_cube_and_a_drawer_occurs():
    task, facts = draw_episodes(3000)
    sentences = " ".join(task.instruction(facts, world) for world in range(3000))
    assert all(f"{name} cube" in sentences for name in (*CUBE_NAMES, *SIZE_NAMES))
    assert all(f"the {name} drawer" in sentences for name in (*PLACE_NAMES, *FRONT_NAMES))
    assert all(f"the {name} arm" in sentences for name in ARM_NAMES)


@pytest.mark.parametrize("family", [INTO, OPENER], ids=["into", "opener"])
def test_a_family_has_enough_paraphrases_and_none_of_the_held_out_ones_in_training(family):
    assert len(set(family.train)) >= 12
    assert len(set(family.unseen)) >= 6
    assert not set(family.train) & set(family.unseen)


def test_each_split_has_its_own_arrangements_of_colors():
    for split, pairs in COLOR_PAIRS.items():
        _, facts = draw_episodes(1000, split)
        by_size = np.where(facts["bigger"][:, None] == 1, facts["cube_color"], facts["cube_color"][:, ::-1])
        for things in (by_size, facts["front_color"]):
            assert {tuple(pair) for pair in things.tolist()} == set(pairs)


def test_the_expert_solves_unseen_combinations_too(make_drawer: MakeDrawer, finish_episodes: FinishEpisodes):
    env = make_drawer(8, split="unseen")
    begin(env)
    assert finish_episodes(env).success.all()


def test_what_is_left_of_the_state_without_the_goal_parts_does_not_depend_on_the_goal(make_drawer: MakeDrawer):
    env, other = make_drawer(8), make_drawer(8)
    for each in (env, other):
        begin(each)
        for _ in range(3):
            each.step(np.zeros((8, 16)))
    other.set_state(told(other, (facts_of(other)["goal"] + 2) % 4))
    for name, part in env.state_parts(told=False).items():
        assert_array_equal(other.state_parts(told=False)[name], part, err_msg=name)


# -- starts, rewards, phases ---------------------------------------------------------------------------------------


def test_starts_are_spread_as_documented_and_no_two_cubes_touch():
    start = Drawer().start(np.random.default_rng(0).random((4000, Drawer.draws)))
    for i, name in enumerate(CUBES):
        pose, side = start.body_pose[name], 2 * (i // 2) - 1
        yaw = 2 * np.arctan2(pose[:, 6], pose[:, 3])
        for values, low, high in (
            (side * pose[:, 0], 0.15, 0.25),
            (pose[:, 1], -0.305, -0.015),
            (yaw, -np.pi / 4, np.pi / 4),
            (start.episode["size"][:, i], 0.030, 0.045),
            (start.fields["body_mass", name], 0.05, 0.20),
        ):
            slack = 0.01 * (high - low)
            assert low <= values.min() < low + slack
            assert high - slack < values.max() <= high
    for side in range(2):
        one, other = (start.body_pose[f"cube_{side}_{color}"][:, :2] for color in range(2))
        assert np.linalg.norm(one - other, axis=-1).min() > 0.045 * 2**0.5


def test_without_randomization_all_cubes_have_one_size_per_rank_and_stand_straight():
    task = Drawer(randomization="none")
    start = task.start(np.random.default_rng(0).random((50, Drawer.draws)))
    for name in CUBES:
        assert_allclose(start.body_pose[name][:, 3:], np.tile([1.0, 0, 0, 0], (50, 1)), atol=1e-12)
        assert len(np.unique(start.fields["body_mass", name])) == 1
    assert set(start.episode["goal"]) == {0, 1, 2, 3}


def test_dense_reward_lies_between_minus_one_and_zero_and_grows_along_the_phases(make_drawer: MakeDrawer):
    env = make_drawer(12)
    begin(env)
    rewards, phases = [], []
    alive = np.ones(12, bool)
    while alive.any():
        _, reward, terminated, truncated, info = env.step(env.expert_actions())
        plain = (reward - info["is_success"])[alive]
        assert (plain >= -1).all()
        assert (plain <= 0).all()
        rewards.extend(plain)
        phases.extend(info["phase"][alive])
        alive &= ~(terminated | truncated)
    means = [
        np.mean(np.array(rewards)[np.array(phases) == phase]) for phase in range(len(env.phases)) if phase in phases
    ]
    assert (np.diff(means) > 0).all()


def test_reward_terms_lie_between_zero_and_one_and_weights_sum_to_one(make_drawer: MakeDrawer):
    env = make_drawer(12)
    begin(env)
    rng = np.random.default_rng(0)
    for step in range(200):
        terms = env.task.reward_terms(env._signals)
        assert sum(weight for weight, _ in terms.values()) == pytest.approx(1)
        for name, (_, value) in terms.items():
            assert ((value >= 0) & (value <= 1)).all(), name
        actions = env.expert_actions()
        actions[6:] = rng.uniform(-1, 1, actions[6:].shape) if step % 5 else actions[6:]
        env.step(actions)


def never_release(env: TeamVectorEnv) -> Callable[[], np.ndarray]:
    """The expert, except that the puller keeps the handle once it has pulled."""

    def act() -> np.ndarray:
        actions = env.expert_actions().reshape(env.num_envs, 2, -1)
        pulled, rows = env.get_state()["memory.opened"], np.arange(env.num_envs)
        puller = facts_of(env)["drawer"]
        actions[rows[pulled], puller[pulled], -1] = -1.0
        return actions.reshape(env.num_envs, -1)

    return act


def test_the_expert_earns_more_than_who_freezes_trembles_or_never_lets_go(make_drawer: MakeDrawer):
    rng = np.random.default_rng(0)

    def earn(policy: Callable[[TeamVectorEnv], Callable[[], np.ndarray]]) -> np.ndarray:
        env = make_drawer(6)
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


def test_an_expert_episode_goes_through_the_phases_in_order(make_drawer: MakeDrawer):
    env = make_drawer(12)
    begin(env)
    phases = np.array([env.step(env.expert_actions())[4]["phase"] for _ in range(200)])
    assert (np.diff(phases, axis=0) >= 0).all()
    assert {env.phases[phase] for phase in phases[0]} == {"approach"}
    assert {env.phases[phase] for phase in phases[-1]} == {"done"}


# -- array programs ------------------------------------------------------------------------------------------------


def torch_twin(value):
    """The same data as torch tensors."""
    import torch

    if isinstance(value, Mapping):
        return {key: torch_twin(item) for key, item in value.items()}
    return torch.from_numpy(np.array(value))


@pytest.mark.parametrize(
    "method", ["signals", "succeeds", "hold_steps", "reward_terms", "phase", "state_parts", "tool_goals"]
)
def test_the_task_computes_the_same_in_torch(make_drawer: MakeDrawer, method: str):
    from dataclasses import fields, is_dataclass, replace

    env = make_drawer(6)
    begin(env)
    for _ in range(75):
        env.step(env.expert_actions())
    facts, memory, world = facts_of(env), {"opened": env.get_state()["memory.opened"]}, env.world
    chains = env._sim.chains

    def twin(data):
        return replace(data, **{field.name: torch_twin(getattr(data, field.name)) for field in fields(data)})

    def compute(world, chains, facts, memory):
        signals = env.task.signals(world, facts, memory)
        arguments = {
            "signals": (world, facts, memory),
            "hold_steps": (facts,),
            "state_parts": (world, facts, signals),
            "tool_goals": (world, chains, facts, signals),
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
