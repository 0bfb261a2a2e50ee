"""Randomization: what its levels vary, that a seed's goal stays the same, and that noise and delay act as promised."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs import registered_tasks
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.env.world_draws import WorldDraw, counter_noise, named_uniform
from teamvla_envs.randomization import LEVELS, Randomization, get_randomization
from teamvla_envs.registration import get_task
from teamvla_envs.scene import cameras
from teamvla_envs.scene.compose import Scene

MakeLift = Callable[..., TeamVectorEnv]


def fields_of(env: TeamVectorEnv) -> dict[str, np.ndarray]:
    """The model fields of the running episodes."""
    return {key: value for key, value in env.get_state().items() if key.startswith("field.")}


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_known_by_name(level: str):
    assert get_randomization(level) == LEVELS[level]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("wild", "randomization: got 'wild', allowed are 'none', 'default', 'hard', or a Randomization"),
        ({"mass": 1.0}, "randomization: unknown 'mass' .did you mean masses.., allowed are poses, sizes, masses"),
        ({"friction": 0.9}, "randomization: friction is 0.9, expected a number from 0 to 0.6"),
        ({"delay": 0.5}, "randomization: delay is 0.5, expected a whole number from 0 to 3"),
        ({"noise": float("nan")}, "randomization: noise is nan, expected"),
    ],
)
def test_what_no_scene_can_have_is_refused(given, message: str):
    with pytest.raises(ValueError, match=message):
        get_randomization(given)


@pytest.mark.parametrize("task", registered_tasks())
def test_a_seed_tells_the_same_goal_in_the_same_sentence_at_every_level(task: str):
    told = []
    for level in LEVELS:
        env = TeamVectorEnv(task, 6, randomization=level, num_threads=1)
        env.reset(seed=11)
        told.append((env.goal_names, env.instructions))
        env.close()
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("task", registered_tasks())
def test_without_randomization_only_goals_and_colors_differ(task: str):
    env = TeamVectorEnv(task, 12, randomization="none", num_threads=1)
    env.reset(seed=0)
    differing = {key.split(".")[1] for key, value in fields_of(env).items() if np.ptp(value, axis=0).any()}
    # The taller stand is on this side or on that, and the bigger cubes have this color or that.
    allowed = {"lift": {"body_pos"}, "handoff": set(), "drawer": {"geom_size", "body_inertia"}}[task]
    assert differing <= allowed | {"geom_rgba"}
    assert_array_equal(env.world.joint_pos, np.broadcast_to(env.world.joint_pos[:1], env.world.joint_pos.shape))
    env.close()


def test_hard_varies_everything(make_lift: MakeLift):
    env = make_lift(8, randomization="hard")
    env.reset(seed=0)
    fields = fields_of(env)
    kinds = {
        "gain",
        "friction",
        "light",
        "tint",
        "camera_shift",
        "camera_turn",
        "camera_fovy",
        "geom_size",
        "body_mass",
    }
    assert kinds <= {key.split(".")[1] for key in fields}
    assert all(np.ptp(value, axis=0).any() for key, value in fields.items() if key.split(".")[1] in kinds)
    delays = env.get_state()["episode.delay"]
    assert set(delays.tolist()) == {0, 1}


def test_sizes_of_the_unseen_split_never_occur_in_training():
    for name in registered_tasks():
        task = get_task(name)
        u = np.random.default_rng(0).random((500, task.draws.count))
        train, unseen = (task(split=split).initial_state(u).fields for split in ("train", "unseen"))
        sizes = [key for key in train if key[0] == "geom_size"]
        assert sizes
        held_out = [(unseen[key].min(axis=0), unseen[key].max(axis=0)) for key in sizes]
        if name == "drawer":  # small and big cubes are two ranges
            continue
        for key, (low, high) in zip(sizes, held_out, strict=True):
            varies = high > low
            inside = (train[key] > low + 1e-9) & (train[key] < high - 1e-9)
            assert not inside[:, varies].any(), key


@pytest.mark.parametrize("share", [0.0, 0.5, 1.1])
def test_shares_scale_a_tasks_ranges(share: float):
    task = get_task("lift")
    u = np.random.default_rng(0).random((200, task.draws.count))
    whole = task(randomization="default").initial_state(u).body_pose["bar"][:, :2]
    scaled = task(randomization=Randomization(poses=share)).initial_state(u).body_pose["bar"][:, :2]
    assert_allclose(scaled, share * whole, atol=1e-12)


def test_friction_and_gains_reach_the_models(make_lift: MakeLift):
    env = make_lift(2, randomization=Randomization(friction=0.5, gains=0.5))
    env.reset(seed=1)
    sim: Any = env.simulator
    nominal = sim.template
    for world, model in enumerate(sim.models):
        factor = env.get_state()["field.friction."][world]
        assert_allclose(model.geom_friction[:, 0], factor * nominal.geom_friction[:, 0])
        assert 0.5 <= factor <= 1.5
        joints = sim.addresses.joint_ctrl
        ratio = model.actuator_gainprm[joints, 0] / nominal.actuator_gainprm[joints, 0]
        assert_allclose(ratio, env.get_state()["field.gain."][world])
        assert_allclose(model.actuator_biasprm[joints, 1], -model.actuator_gainprm[joints, 0])


def test_noise_is_on_what_is_measured_and_spares_the_goal(make_lift: MakeLift):
    clean, noisy = make_lift(16), make_lift(16, randomization=Randomization(noise=0.01))
    one, _ = clean.reset(seed=0)
    two, _ = noisy.reset(seed=0)
    start = 0
    for name, length in clean.environment_state_parts:
        difference = two[:, start : start + length] - one[:, start : start + length]
        if name == "goal":
            assert not difference.any()
        else:
            assert 0.003 < difference.std() < 0.03, name
        start += length


def test_noise_is_a_function_of_seed_and_step(make_lift: MakeLift):
    first, second = make_lift(3, randomization="hard"), make_lift(1, randomization="hard")
    one, _ = first.reset(seed=5)
    two, _ = second.reset(seed=7)
    assert_allclose(one[2], two[0], atol=1e-6)
    assert_array_equal(first.environment_state(), first.environment_state())
    next_one = first.step(np.zeros((3, 16)))[0]
    assert np.abs(next_one - one).max() > 0


def test_counter_noise_is_standard_normal_and_has_independent_streams():
    key, step = np.arange(400, dtype=np.uint64), np.full(400, 3)
    first, second = counter_noise(key, step, 101, 0), counter_noise(key, step, 101, 1)
    assert first.shape == (400, 101)
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:-1].ravel(), first[1:].ravel())[0, 1]) < 0.02
    assert_array_equal(first[5:6], counter_noise(key[5:6], step[5:6], 101, 0))


@pytest.mark.parametrize("action_mode", ["joint_delta", "joint_pos", "ee_delta"])
def test_a_delayed_action_takes_effect_one_step_late(make_lift: MakeLift, action_mode: str):
    env = make_lift(8, randomization=Randomization(delay=1), action_mode=action_mode)
    env.reset(seed=0)
    delay = env.get_state()["episode.delay"]
    assert set(delay.tolist()) == {0, 1}
    before = env.world.joint_target.copy()
    action = np.random.default_rng(0).uniform(-1, 1, env.action_space.shape)
    env.step(action)
    moved = np.abs(env.world.joint_target - before).max(axis=(1, 2)) > 5e-3
    assert_array_equal(moved, delay == 0)  # at rest ee_delta still drifts towards the rest posture
    env.step(action)
    assert (np.abs(env.world.joint_target - before).max(axis=(1, 2)) > 5e-3).all()


def test_the_number_of_draws_does_not_depend_on_the_level(lift_scene: Scene):
    counts = {WorldDraw(level, lift_scene, ("bar_rod",)).count for level in LEVELS.values()}
    assert len(counts) == 1


def test_adding_a_camera_changes_no_other_draw(make_lift: MakeLift, monkeypatch: pytest.MonkeyPatch):
    def draws() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        env = make_lift(4, randomization="hard")
        env.reset(seed=3)
        first = env.get_state()
        env.reset()  # the next episodes of the worlds' own generators
        return first, env.get_state()

    known = draws()
    side = replace(cameras.SHARED_CAMERAS[0], name="side")
    monkeypatch.setattr(cameras, "SHARED_CAMERAS", [side, *cameras.SHARED_CAMERAS])
    for before, after in zip(known, draws(), strict=True):
        added = {f"field.{field}.side" for field in ("camera_shift", "camera_turn", "camera_fovy")}
        assert after.keys() - before.keys() == added
        for key, values in before.items():
            assert_array_equal(after[key], values, err_msg=key)


def test_named_streams_depend_on_episode_and_name_alone():
    key = np.arange(4000, dtype=np.uint64)
    light, front = named_uniform(key, "light", 3), named_uniform(key, "camera_shift/front", 3)
    assert light.min() >= 0
    assert light.max() < 1
    assert abs(light.mean() - 0.5) < 0.01
    assert abs(light.std() - 12**-0.5) < 0.01
    assert abs(np.corrcoef(light.ravel(), front.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(light[:-1].ravel(), light[1:].ravel())[0, 1]) < 0.02
    assert_array_equal(light[7:8], named_uniform(key[7:8], "light", 3))


def test_cameras_light_and_colors_change_the_picture(make_lift: MakeLift):
    pictures = {}
    for name, change in {
        "none": {},
        "camera_shift": {"camera_shift": 0.1},
        "camera_turn": {"camera_turn": 0.1},
        "camera_fovy": {"camera_fovy": 5.0},
        "light": {"light": 0.5},
        "colors": {"colors": 0.2},
    }.items():
        env = make_lift(1, randomization=change, obs_mode="vision", cameras=("front",))
        pictures[name] = env.reset(seed=4)[0]["pixels"]["front"][0].astype(float)
    for name, picture in pictures.items():
        if name != "none":
            assert np.abs(picture - pictures["none"]).mean() > 1.0, name


@pytest.mark.parametrize("name", registered_tasks())
def test_shades_of_the_unseen_split_never_occur_in_training(name: str):
    task = get_task(name)
    u = np.random.default_rng(0).random((200, task.draws.count))
    seen, unseen = (
        {
            tuple(rgba)
            for key, values in task(split=split).initial_state(u).fields.items()
            if key[0] == "geom_rgba"
            for rgba in values
        }
        for split in ("train", "unseen")
    )
    assert len(seen) >= 4
    assert not seen & unseen


@pytest.mark.parametrize("robot", ["panda", "xarm7"])
def test_no_wrist_camera_ends_up_in_the_hand(robot):
    env = TeamVectorEnv(
        "lift", 16, robot=robot, obs_mode="vision", image_channels="depth", image_size=16, randomization="hard"
    )
    obs, _ = env.reset(seed=0)
    for camera in ("wrist_0", "wrist_1"):
        assert np.median(obs["depth"][camera], axis=(1, 2)).min() > 0.2
