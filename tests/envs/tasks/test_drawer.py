"""Drawer: it shuts by itself, two arms solve it, one cannot, and only the sentence tells what to do."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.props import Cabinet
from teamvla_envs.sim.compile import compile_scene
from teamvla_envs.sim.render_scene import segment_names
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
from teamvla_envs.tasks.draws import COLOR_PAIRS

from tests.conftest import FinishEpisodes
from tests.envs.tasks.conftest import MakeEnv, begin, part_of

GOALS = Drawer.goals


def draw_episodes(count: int, split: str = "train") -> tuple[Drawer, Mapping[str, np.ndarray]]:
    """A task and the facts of ``count`` random episodes of it."""
    task = Drawer(split=split)
    return task, task.initial_state(np.random.default_rng(0).random((count, Drawer.draws.count))).facts


# -- the cabinet ---------------------------------------------------------------------------------------------------


def let_go(env: TeamVectorEnv, pulled: float, steps: int = 30) -> np.ndarray:
    """Slide positions while nobody touches drawers that were pulled out, shape ``(steps, N, 2)`` [m]."""
    state = env.get_state()
    for joint in CABINET.joints:
        adr = env.simulator.template.joint(joint).qposadr[0]
        state["physics"][:, 1 + adr] = pulled
    env.set_state(state)
    still = np.tile(np.append(np.zeros(7), 1.0), (env.num_envs, 2)).reshape(env.num_envs, -1)
    slides = []
    for _ in range(steps):
        env.step(still)
        slides.append(env.world.prop_joint_pos)
    return np.array(slides)


@pytest.mark.parametrize("pulled", [0.02, 0.10, 0.17, 0.20])
def test_a_drawer_that_nobody_holds_shuts_by_itself(make_env: MakeEnv, pulled: float):
    env = make_env("drawer", 1)
    begin(env)
    slides = let_go(env, pulled)
    assert (np.diff(slides[:15], axis=0) < 1e-3).all()
    assert (np.abs(slides[-1]) < 0.001).all()


def test_drawers_begin_shut_and_stay_shut_when_nobody_pulls(make_env: MakeEnv):
    env = make_env("drawer", 2)
    begin(env)
    assert_array_equal(env.world.prop_joint_pos, 0.0)
    assert_array_equal(env.world.prop_joint_vel, 0.0)
    assert np.abs(let_go(env, 0.0)).max() < 0.001


def test_a_reset_shuts_a_drawer_that_was_open(make_env: MakeEnv):
    env = make_env("drawer", 2)
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


def test_cameras_see_cabinet_and_drawers_as_one_thing(make_env: MakeEnv):
    env = make_env("drawer", 1)
    begin(env)
    cabinet = 1 + segment_names(env.task.scene(("panda", "panda"))).index("cabinet")
    shut = env.render_cameras(("overhead",), 64, channel="segmentation")[0, 0] == cabinet
    let_go(env, 0.2, steps=1)
    opened = env.render_cameras(("overhead",), 64, channel="segmentation")[0, 0] == cabinet
    assert opened.sum() > 1.3 * shut.sum() > 0


# -- the expert ----------------------------------------------------------------------------------------------------


def interrupted(env: TeamVectorEnv, phase: str, arm_of: str, steps: int) -> Callable[[], np.ndarray]:
    """The expert, except that one arm's gripper opens for some steps as soon as a phase is reached."""
    left = np.full(env.num_envs, steps)
    arm = part_of(env, "episode")["drawer"] if arm_of == "puller" else 1 - part_of(env, "episode")["drawer"]
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
    make_env: MakeEnv, finish_episodes: FinishEpisodes, loser: str
):
    env = make_env("drawer", 12, max_episode_steps=400)
    begin(env)
    assert finish_episodes(env, interrupted(env, "carry", loser, 8)).rate() >= 0.9


def test_a_held_cube_never_jumps_and_hands_touch_only_what_they_should(
    make_env: MakeEnv, finish_episodes: FinishEpisodes
):
    env = make_env("drawer", 20)
    begin(env)
    facts, rows = part_of(env, "episode"), np.arange(20)
    fastest, touched = np.zeros(20), np.zeros((20, len(env.scene.contact_pairs)), bool)

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
        pairs = env.scene.contact_pairs
        assert {(p.first, p.second) for p, hit in zip(pairs, touched[world], strict=True) if hit} == wanted


# -- success -------------------------------------------------------------------------------------------------------


@pytest.fixture
def solved(make_env: MakeEnv) -> TeamVectorEnv:
    """Eight episodes just after the expert has solved them."""
    env = make_env("drawer", 8)
    begin(env)
    for _ in range(220):
        env.step(env.expert_actions())
    assert is_success(env).all()
    return env


def is_success(env: TeamVectorEnv, **changes: Any) -> np.ndarray:
    """Whether the present state, changed in some of its named arrays, counts as reaching the goal."""
    state = env.get_state() | changes
    facts = {key.split(".")[1]: value for key, value in state.items() if key.startswith("episode.")}
    world = changes.get("world", env.world)
    signals = env.task.signals(world, facts, {"opened": state["memory.opened"]})
    return np.asarray(env.task.is_success(signals))


def test_a_drawer_that_was_never_open_does_not_count(solved: TeamVectorEnv):
    assert not is_success(solved, **{"memory.opened": np.zeros(8, bool)}).any()


def test_another_cube_or_another_drawer_does_not_count(solved: TeamVectorEnv):
    facts = part_of(solved, "episode")
    assert not is_success(solved, **{"episode.color": 1 - facts["color"]}).any()
    assert not is_success(solved, **{"episode.drawer": 1 - facts["drawer"]}).any()


def test_a_second_cube_of_another_color_in_the_drawer_spoils_it(solved: TeamVectorEnv):
    facts, rows = part_of(solved, "episode"), np.arange(8)
    pos = solved.world.body_pos.copy()
    pos[rows, facts["target"] ^ 1] = pos[rows, facts["target"]] + (0.05, 0, 0) * np.sign(
        -pos[rows, facts["target"], :1]
    )
    assert not is_success(solved, world=replace(solved.world, body_pos=pos)).any()


@pytest.mark.parametrize("which", ["named", "other"])
def test_both_drawers_must_be_shut(solved: TeamVectorEnv, which: str):
    drawer, rows = part_of(solved, "episode")["drawer"], np.arange(8)
    slides = solved.world.prop_joint_pos.copy()
    slides[rows, drawer if which == "named" else 1 - drawer] = SHUT + 0.001
    assert not is_success(solved, world=replace(solved.world, prop_joint_pos=slides)).any()


# -- the sentence --------------------------------------------------------------------------------------------------


def goals_that_fit(sentence: str, facts: Mapping[str, np.ndarray], world: int) -> list[str]:
    """Goals that an instruction allows, given colors, sizes, places and arms."""
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


def test_every_way_to_name_a_cube_and_a_drawer_occurs():
    task, facts = draw_episodes(3000)
    sentences = " ".join(task.instruction(facts, world) for world in range(3000))
    assert all(f"{name} cube" in sentences for name in (*CUBE_NAMES, *SIZE_NAMES))
    assert all(f"the {name} drawer" in sentences for name in (*PLACE_NAMES, *FRONT_NAMES))
    assert all(f"the {name} arm" in sentences for name in ARM_NAMES)


def test_each_split_has_its_own_arrangements_of_colors():
    for split, pairs in COLOR_PAIRS.items():
        start = Drawer(split=split).initial_state(np.random.default_rng(0).random((1000, Drawer.draws.count)))
        colors = start.facts["cube_color"]
        arranged = [start.facts["front_color"]]
        for side in range(2):
            y = np.stack([start.body_pose[f"cube_{side}_{color}"][:, 1] for color in range(2)], axis=-1)
            arranged.append(np.take_along_axis(colors, y.argsort(axis=-1), axis=-1))
        for things in arranged:
            assert {tuple(pair) for pair in things.tolist()} == set(pairs)


# -- starts ---------------------------------------------------------------------------------------------------------


def test_starts_are_spread_as_documented_and_no_two_cubes_touch():
    start = Drawer().initial_state(np.random.default_rng(0).random((4000, Drawer.draws.count)))
    for i, name in enumerate(CUBES):
        pose, side = start.body_pose[name], 2 * (i // 2) - 1
        yaw = 2 * np.arctan2(pose[:, 6], pose[:, 3])
        for values, low, high in (
            (side * pose[:, 0], 0.15, 0.25),
            (pose[:, 1], -0.305, -0.015),
            (yaw, -np.pi / 4, np.pi / 4),
            (start.facts["size"][:, i], 0.030, 0.045),
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
    start = task.initial_state(np.random.default_rng(0).random((50, Drawer.draws.count)))
    for name in CUBES:
        assert_allclose(start.body_pose[name][:, 3:], np.tile([1.0, 0, 0, 0], (50, 1)), atol=1e-12)
        assert len(np.unique(start.fields["body_mass", name])) == 1
    assert set(start.facts["goal"]) == {0, 1, 2, 3}
