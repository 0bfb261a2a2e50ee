"""Saved states: episodes continue from them bit for bit."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]


def assert_same_state(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Two states are equal bit for bit."""
    assert set(first) == set(second)
    for key, value in first.items():
        assert_array_equal(second[key], value, err_msg=key, strict=True)


def advance(env: TeamVectorEnv, steps: int) -> np.ndarray:
    """Observations and rewards of the expert's next steps."""
    trace = []
    for _ in range(steps):
        obs, reward, *_ = env.step(env.expert_actions())
        trace.append(np.concatenate([obs, reward[:, None]], axis=1))
    return np.array(trace)


def test_a_state_continues_bit_for_bit(make_lift: MakeLift):
    env, other = make_lift(3), make_lift(3, num_threads=1)
    env.reset(seed=0)
    advance(env, 40)
    state = env.get_state()
    expected = advance(env, 80)  # beyond success, into the next episodes
    other.set_state(state)
    assert_array_equal(advance(other, 80), expected)
    assert_same_state(other.get_state(), env.get_state())


def test_a_state_continues_from_disk(make_lift: MakeLift, tmp_path: Path):
    env, other = make_lift(2), make_lift(2)
    env.reset(seed=0)
    advance(env, 40)
    np.savez(tmp_path / "state.npz", allow_pickle=False, **env.get_state())
    expected = advance(env, 20)
    with np.load(tmp_path / "state.npz") as state:
        other.set_state(state)
    assert_array_equal(advance(other, 20), expected)


def test_set_state_returns_what_was_observed_then(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(2)
    obs, info = env.reset(seed=0)
    then, info_then = other.set_state(env.get_state())
    assert_array_equal(then, obs)
    assert info_then["task_description"].tolist() == info["task_description"].tolist()
    assert_array_equal(other.seeds, [0, 1])


def test_a_state_holds_numbers_with_one_row_per_world(make_lift: MakeLift):
    env = make_lift(3)
    env.reset(seed=0)
    for key, value in env.get_state().items():
        assert value.shape[0] == 3, key
        assert value.dtype.kind in "fiub", key


def test_a_state_is_a_copy(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=0)
    state = env.get_state()
    copy = {key: value.copy() for key, value in state.items()}
    advance(env, 3)
    assert_same_state(state, copy)


def test_a_mask_sets_some_worlds_and_leaves_the_others(make_lift: MakeLift):
    env = make_lift(3)
    env.reset(seed=0)
    start = env.get_state()
    advance(env, 10)
    later = env.get_state()
    env.set_state(start, mask=np.array([True, False, True]))
    mixed = env.get_state()
    for key in start:
        assert_array_equal(mixed[key][[0, 2]], start[key][[0, 2]], err_msg=key)
        assert_array_equal(mixed[key][1], later[key][1], err_msg=key)


def test_a_state_of_another_number_of_worlds_is_refused(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(3)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"got shape \(2.*expected \(3"):
        other.set_state(env.get_state())


def test_an_incomplete_state_is_told_what_is_missing(make_lift: MakeLift):
    env = make_lift(2)
    env.reset(seed=0)
    state = env.get_state()
    del state["held"]
    with pytest.raises(ValueError, match="held"):
        env.set_state(state)
