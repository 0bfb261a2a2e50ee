"""A call that is refused leaves the environment as it was: everything is checked before anything changes."""

from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from numpy.testing import assert_array_equal
from teamvla_envs.env.message_channel import MessageChannel
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]
State = dict[str, np.ndarray]


def running(env: TeamVectorEnv) -> TeamVectorEnv:
    """The environment amid an episode."""
    env.reset(seed=3)
    for _ in range(3):
        env.step(np.full((2, 16), 0.3))
    return env


def assert_unchanged_by(env: TeamVectorEnv, call: Callable[[], Any], match: str) -> None:
    """Check that a call is refused, and that the future is as if it had not been made."""
    before, labels = env.get_state(), (env.goal_names, env.instructions, env.environment_state())
    with pytest.raises(ValueError, match=match):
        call()
    for key, values in env.get_state().items():
        assert_array_equal(values, before[key], err_msg=key)
    assert (env.goal_names, env.instructions) == labels[:2]
    assert_array_equal(env.environment_state(), labels[2])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"seed": [5, -1]}, "seed: got -1, allowed are whole numbers from 0"),
        ({"seed": [5, 2**63]}, f"seed: got {2**63}"),
        ({"seed": 2**63 - 1}, f"seed: got {2**63 - 1}"),
        ({"seed": -1}, "seed: got -1"),
        ({"seed": [5]}, "seed: got 1 numbers for 2 worlds"),
        ({"seed": [5, 6], "options": {"goal": ["hold", "fetch"]}}, "goal: got 'fetch'"),
        ({"seed": [5, 6], "options": {"goal": ["hold"]}}, "goal"),
        ({"seed": [5, 6], "options": {"reset_mask": np.array([1, 0])}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(3, bool)}}, "reset_mask"),
    ],
)
@pytest.mark.parametrize("level", ["default", "hard"])
def test_a_refused_reset_changes_nothing(make_lift: MakeLift, arguments: dict[str, Any], match: str, level: str):
    env = running(make_lift(2, randomization=level))
    assert_unchanged_by(env, lambda: env.reset(**arguments), match)
    # Unseeded resets go on with the generators that a refused seed must not have replaced.
    other = running(make_lift(2, randomization=level))
    assert_array_equal(env.reset()[0], other.reset()[0])


def test_a_refused_reset_of_the_single_view_changes_nothing():
    env, other = gym.make("TeamVLA/Lift-v0"), gym.make("TeamVLA/Lift-v0")
    for each in (env, other):
        each.reset(seed=3)
    with pytest.raises(ValueError, match="goal"):
        env.reset(seed=9, options={"goal": "fetch"})
    assert env.unwrapped.np_random.random() == other.unwrapped.np_random.random()
    assert_array_equal(env.reset()[0], other.reset()[0])


def test_a_refused_reset_of_the_parallel_view_changes_nothing():
    env, other = teamvla_envs.parallel_env("lift"), teamvla_envs.parallel_env("lift")
    for each in (env, other):
        each.reset(seed=3)
    with pytest.raises(ValueError, match="seed"):
        env.reset(seed=-4)
    assert env.agents == other.agents
    expected = other.reset()[0]
    for agent, obs in env.reset()[0].items():
        assert_array_equal(obs, expected[agent])


def changed(key: str, value: Any, world: int = 1, entry: Any = ()) -> Callable[[State], None]:
    """A mutation: one number of one world."""

    def mutate(state: State) -> None:
        index = (world, *entry)
        state[key] = state[key].copy()
        state[key][index] = value

    return mutate


def replaced(key: str, value: Any) -> Callable[[State], None]:
    """A mutation: one whole array."""
    return lambda state: state.update({key: value})


BAD_STATES = {
    "NaN in physics": (changed("physics", np.nan, entry=(4,)), r"physics.*world 1: it is not finite"),
    "infinite velocity": (changed("physics", np.inf, entry=(-1,)), "physics"),
    "huge velocity": (changed("physics", 1e200, entry=(-1,)), "physics"),
    "negative time": (changed("physics", -0.04, entry=(0,)), "time is negative"),
    "zero quaternion": (changed("physics", 0.0, entry=(slice(1, 26),)), "quaternion is not of unit length"),
    "NaN target": (changed("joint_target", np.nan, entry=(0, 0)), "joint_target"),
    "infinite gripper": (changed("gripper_target", np.inf, entry=(0,)), "gripper_target"),
    "negative contacts": (changed("contacts", -1.0, entry=(0, 0)), "contacts"),
    "negative steps": (changed("steps", -1), "steps.*below 0"),
    "too many steps": (changed("steps", 2**60), "steps"),
    "negative held": (changed("held", -3), "held"),
    "held longer than it lasts": (changed("held", 200), "held.*exceeds 'steps'"),
    "unknown end": (changed("end", 5), "end.*above 4"),
    "negative end": (changed("end", -1), "end"),
    "seed below -1": (changed("seed", -2), "seed"),
    "goal beyond the goals": (changed("episode.goal", 3), "episode.goal.*above 2"),
    "negative goal": (changed("episode.goal", -1), "episode.goal"),
    "color beyond the colors": (changed("episode.colors", 4, entry=(0,)), "episode.colors"),
    "negative color": (changed("episode.colors", -1, entry=(0,)), "episode.colors"),
    "expression beyond them": (changed("episode.expression", 9), "episode.expression"),
    "wording beyond 1": (changed("episode.wording", 1.5), "episode.wording"),
    "negative wording": (changed("episode.wording", -0.5), "episode.wording"),
    "NaN goal position": (changed("episode.goal_pos", np.nan, entry=(0,)), "episode.goal_pos"),
    "delay beyond the longest": (changed("episode.delay", 2), "episode.delay"),
    "negative delay": (changed("episode.delay", -1), "episode.delay"),
    "key beyond the keys": (changed("episode.noise_key", 2**60), "episode.noise_key"),
    "pending NaN": (changed("pending", np.nan, entry=(0, 0)), "pending"),
    "generator flag": (changed("generator", 2, entry=(0,)), "generator"),
    "even increment": (changed("generator", 2, entry=(4,)), "generator"),
    "generator remainder": (changed("generator", 2**40, entry=(6,)), "generator"),
    "no mass": (changed("field.body_mass.bar", 0.0), "field.body_mass.bar"),
    "NaN inertia": (changed("field.body_inertia.bar", np.nan, entry=(0,)), "field.body_inertia.bar"),
    "negative size": (changed("field.geom_size.bar_rod", -0.1, entry=(0,)), "field.geom_size.bar_rod"),
    "color beyond 1": (changed("field.geom_rgba.stand_front_block", 1.1, entry=(0,)), "geom_rgba"),
    "negative friction": (changed("field.friction.", -1.0), "field.friction"),
    "whole numbers as floats": (replaced("steps", np.array([3.0, 3.0])), "steps.*dtype float64, expected int64"),
    "objects": (replaced("held", np.array([None, 1], object)), "held.*dtype object"),
    "text": (replaced("episode.wording", np.array(["a", "b"])), "episode.wording.*dtype"),
    "numbers as bools": (replaced("memory.tilted", np.array([0, 1])), "memory.tilted.*dtype int64, expected bool"),
    "complex numbers": (replaced("gripper_target", np.ones((2, 2), complex)), "gripper_target.*dtype complex128"),
    "too large for the dtype": (replaced("seed", np.array([1, 2**64 - 1], np.uint64)), "seed"),
    "wrong shape": (replaced("steps", np.zeros(3, int)), r"steps.*got shape \(3,\), expected \(2,\)"),
    "ragged": (replaced("gripper_target", [[0.1], [0.1, 0.2]]), "gripper_target"),
    "unknown name": (replaced("velocity", np.zeros(2)), "wrong names.*velocity"),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_a_state_that_no_environment_has_is_refused_and_changes_nothing(make_lift: MakeLift, name: str):
    mutate, match = BAD_STATES[name]
    env = running(make_lift(2, randomization="hard"))
    state = env.get_state()
    mutate(state)
    assert_unchanged_by(env, lambda: env.set_state(state), match)


@pytest.mark.parametrize("mask", [np.array([1, 0]), np.ones(3, bool), np.ones((2, 1), bool), [0], "ab"])
def test_a_mask_that_is_none_is_refused_and_changes_nothing(make_lift: MakeLift, mask: Any):
    env = running(make_lift(2))
    start = make_lift(2)
    start.reset(seed=0)
    assert_unchanged_by(env, lambda: env.set_state(start.get_state(), mask=mask), r"mask: got .*expected bool \(2,\)")


def test_a_state_that_is_no_mapping_is_refused(make_lift: MakeLift):
    env, number = running(make_lift(2)), cast("State", 7)
    assert_unchanged_by(env, lambda: env.set_state(number), "state: got int, expected a mapping")


def test_worlds_outside_the_mask_may_hold_anything(make_lift: MakeLift):
    env = running(make_lift(2))
    state = env.get_state()
    state["physics"][1], state["episode.goal"][1] = np.nan, 99
    env.reset(seed=8)
    env.set_state(state, mask=np.array([True, False]))
    assert_array_equal(env.get_state()["physics"][0], state["physics"][0])


def test_before_the_first_reset_a_state_must_be_for_all_worlds(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(2)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="mask: before the first reset"):
        env.set_state(other.get_state(), mask=np.array([True, False]))
    env.set_state(other.get_state())


@pytest.mark.parametrize("level", ["none", "default", "hard"])
@pytest.mark.parametrize("split", ["train", "unseen"])
@pytest.mark.parametrize(("task", "arms"), [("lift", 2), ("lift", 4), ("handoff", 2), ("handoff", 3), ("drawer", 2)])
def test_every_state_that_an_environment_gives_is_taken(task: str, arms: int, split: str, level: str):
    env = TeamVectorEnv(task, 64, num_arms=arms, split=split, randomization=level, autoreset_mode="Disabled")
    for seed in (0, 64):
        env.reset(seed=seed)
        env.set_state(env.get_state())
        env.step(env.expert_actions())
        state = env.get_state()
        env.set_state({key: values.tolist() for key, values in state.items() if key != "generator"} | state)
        for key, values in env.get_state().items():
            assert_array_equal(values, state[key], err_msg=key)
    env.close()


def test_a_refused_action_leaves_messages_unsent():
    env = MessageChannel(teamvla_envs.parallel_env("lift"), width=2)
    env.reset(seed=0)
    good = {agent: {"motion": np.zeros(8), "message": np.ones(2)} for agent in env.agents}
    for bad in ({"motion": np.zeros(3), "message": np.ones(2)}, {"motion": np.zeros(8), "message": np.full(2, np.nan)}):
        with pytest.raises(ValueError, match="arm_1"):
            env.step(good | {"arm_1": bad})
        assert env.bandwidth["arm_0"]["sent_floats"] == 0
    env.step(good)
    assert env.bandwidth["arm_0"]["sent_floats"] == 2
