"""Named draws: columns, ranges, held-out parts, and ranges that users give."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.randomization import LEVELS, Randomization
from teamvla_envs.tasks.draws import Choice, Draws, Each, Pair, Uniform, Wording
from teamvla_envs.tasks.handoff import Handoff
from teamvla_envs.tasks.lift import Lift

COLORS = dict.fromkeys("abcd", (0.0, 0.0, 0.0, 1.0))


def uniform(count: int, draws: Draws) -> np.ndarray:
    """Uniform numbers of so many worlds."""
    return np.random.default_rng(0).random((count, draws.count))


def test_draws_take_columns_in_the_order_of_their_declaration():
    draws = Draws(
        x=Uniform(0.0, 2.0), ball=Each(2, mass=Uniform(1.0, 3.0), yaw=Uniform(-1.0, 1.0)), goal=Choice("a", "b"),
        colors=Pair(COLORS), wording=Wording(),
    )  # fmt: skip
    u = uniform(100, draws)
    d = draws.sample(u, "train", LEVELS["default"])
    assert draws.count == 8
    assert draws.column("goal") == 5
    assert_array_equal(d.x, 2 * u[:, 0])
    assert_array_equal(d.ball_mass, 1 + 2 * u[:, [1, 3]])
    assert_array_equal(d.ball_yaw, 2 * u[:, [2, 4]] - 1)
    assert_array_equal(d.goal, u[:, 5] >= 0.5)
    assert d.colors.shape == (100, 2)
    assert_array_equal(d.wording, u[:, 7])


def test_a_misspelled_draw_is_an_error_that_lists_the_declared_ones():
    d = Lift.draws.sample(uniform(1, Lift.draws), "train", LEVELS["default"])
    with pytest.raises(AttributeError, match="no draw 'lenght', declared are x, y, yaw, length"):
        _ = d.lenght


@pytest.mark.parametrize("level", LEVELS)
def test_randomization_scales_a_range_about_its_center(level: str):
    share = LEVELS[level].sizes
    low, high = Uniform(0.40, 0.70, "m", scaled_by="sizes").span(LEVELS[level])
    assert_allclose((low, high), (0.55 - 0.15 * share, 0.55 + 0.15 * share))


def test_the_middle_of_a_held_out_range_belongs_to_the_unseen_split():
    draws = Draws(length=Uniform(0.0, 1.0, held_out=True))
    u = uniform(1000, draws)
    train, unseen = (draws.sample(u, split, LEVELS["default"]).length for split in ("train", "unseen"))
    assert ((train <= 0.4) | (train >= 0.6)).all()
    assert ((unseen >= 0.4) & (unseen <= 0.6)).all()


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_a_users_range_replaces_the_declared_one_in_every_split(split: str):
    task = Lift(split=split, randomization={"length": (0.5, 0.6)})
    u = uniform(500, task.draws)
    lengths = task.initial_state(u).facts["length"]
    assert_allclose((lengths.min(), lengths.max()), (0.5, 0.6), atol=2e-3)
    others = Lift(split=split).initial_state(u)
    assert_array_equal(task.initial_state(u).body_pose["bar"], others.body_pose["bar"])


def test_attributes_and_ranges_are_given_in_one_mapping():
    task = Handoff(randomization={"stick_length": [0.16, 0.16], "noise": 0.01})
    assert task.randomization.noise == 0.01
    assert_array_equal(task.initial_state(uniform(5, task.draws)).facts["length"], np.full((5, 2), 0.16))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lenght": (0.5, 0.6)}, r"unknown 'lenght' .did you mean length.., allowed are poses, .*, length, mass"),
        ({"goal": (0, 1)}, "unknown 'goal'"),
        ({"length": 0.5}, r"length is 0.5, expected a range such as \(0.4, 0.7\)"),
        ({"length": (0.6, 0.5)}, "expected a range such as"),
        ({"length": ("a", "b")}, "expected a range such as"),
        ({"length": (0.5, float("nan"))}, "expected a range such as"),
        ({"length": (0.1, 0.6)}, "expected values from 0.32 to 0.8 m"),
        ({"mass": (-1.0, 1.0)}, "expected values from 0.05 to 10 kg"),
        ({"ranges": 3}, "randomization: ranges: got 3"),
        (Randomization(ranges={"width": (0.1, 0.2)}), "unknown 'width'"),
    ],
)
def test_a_range_that_the_task_cannot_have_is_refused(given: Any, message: str):
    with pytest.raises(ValueError, match=message):
        Lift(randomization=given)


def test_ranges_are_recorded_and_replayed():
    given = {"length": (0.5, 0.6), "friction": 0.0}
    env: Any = gym.make("TeamVLA/Lift-v0", randomization=given)
    env.reset(seed=3)
    kwargs = env.unwrapped.vector.env_kwargs
    assert kwargs["randomization"]["length"] == [0.5, 0.6]
    again = teamvla_envs.vector_env(**kwargs)
    again.reset(seed=3)
    state = env.unwrapped.vector.get_state()
    for key, values in again.get_state().items():
        assert_array_equal(values, state[key], err_msg=key)
    env.close()
    again.close()


def test_a_tray_has_ranges_of_its_own():
    assert Lift(3).draws.ranges["x"].high == 0.02
    assert Lift(3, randomization={"x": (0.0, 0.01)}).draws.ranges["x"].high == 0.01
