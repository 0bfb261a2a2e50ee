"""Seeds determine episodes, bit for bit, for any number of worlds, threads and processes."""

from collections.abc import Callable, Mapping

import gymnasium as gym
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.control.actions import ACTION_MODES
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.vector import TeamVectorEnv

MakeLift = Callable[..., TeamVectorEnv]


def random_actions(env: TeamVectorEnv, steps: int) -> np.ndarray:
    """Actions for all worlds, those of world i alike for any number of worlds; shape ``(steps, N, A * D)``."""
    size = env.num_arms * env.action_size
    rows = [np.random.default_rng(i).uniform(-1, 1, (steps, size)) for i in range(env.num_envs)]
    return np.stack(rows, axis=1).astype(np.float32)


def assert_same_state(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    """Two states are equal bit for bit."""
    assert set(first) == set(second)
    for key, value in first.items():
        assert_array_equal(second[key], value, err_msg=key, strict=True)


def test_equal_seeds_give_equal_episodes(make_lift: MakeLift):
    env = make_lift(4)
    runs = []
    for _ in range(2):
        obs, _ = env.reset(seed=7)
        trace = [obs]
        for actions in random_actions(env, 15):
            obs, reward, *_ = env.step(actions)
            trace += [obs, reward]
        runs.append((trace, env.get_state(), env.instructions))
    for first, second in zip(runs[0][0], runs[1][0], strict=True):
        assert_array_equal(second, first)
    assert_same_state(runs[0][1], runs[1][1])
    assert runs[0][2] == runs[1][2]


def test_different_seeds_give_different_episodes(make_lift: MakeLift):
    obs, _ = make_lift(20).reset(seed=0)
    assert len(np.unique(obs, axis=0)) == 20


def test_one_seed_counts_up_over_the_worlds(make_lift: MakeLift):
    env, other = make_lift(3), make_lift(3)
    obs, _ = env.reset(seed=10)
    assert_array_equal(env.seeds, [10, 11, 12])
    assert_array_equal(other.reset(seed=[12, 10, 11])[0], obs[[2, 0, 1]])


def test_without_a_seed_a_world_goes_on_with_its_own_generator(make_lift: MakeLift):
    env, other = make_lift(2), make_lift(2)
    first, _ = env.reset(seed=5)
    second, _ = env.reset()
    assert_array_equal(env.seeds, [-1, -1])
    assert (first != second).any(axis=1).all()
    other.reset(seed=5)
    assert_array_equal(other.reset()[0], second)


def test_unseeded_environments_differ(make_lift: MakeLift):
    assert (make_lift(1).reset()[0] != make_lift(1).reset()[0]).any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("num_envs", [1, 3, 8])
def test_world_i_equals_the_single_environment_with_seed_s_plus_i(make_lift: MakeLift, num_envs: int, threads: int):
    env = make_lift(num_envs, num_threads=threads)
    obs, _ = env.reset(seed=100)
    trace = [obs]
    actions = random_actions(env, 25)
    actions[..., 7::8] = -1.0
    rewards = []
    for action in actions:
        obs, reward, *_ = env.step(action)
        trace.append(obs)
        rewards.append(reward)
    for world in {0, num_envs // 2, num_envs - 1}:
        made = gym.make("TeamVLA/Lift-v0", num_threads=1)
        single = made.unwrapped
        assert isinstance(single, TeamEnv)
        obs, _ = made.reset(seed=100 + world)
        assert_allclose(obs, trace[0][world], atol=1e-6)
        for step in range(25):
            obs, single_reward, *_ = made.step(actions[step, world])
            assert_allclose(obs, trace[step + 1][world], atol=1e-6)
            assert single_reward == pytest.approx(rewards[step][world], abs=1e-6)
        assert_array_equal(single.get_state()["physics"][0], env.get_state()["physics"][world])
        made.close()


@pytest.mark.parametrize("action_mode", ACTION_MODES)
def test_physics_of_a_whole_episode_does_not_depend_on_the_number_of_worlds(make_lift: MakeLift, action_mode: str):
    many, one = make_lift(8, action_mode=action_mode, num_threads=2), make_lift(1, action_mode=action_mode)
    many.reset(seed=0)
    one.reset(seed=5)
    for _ in range(60):  # grasp and lift
        actions = many.expert_actions()
        many.step(actions)
        one.step(actions[5:6])
        assert_array_equal(one.get_state()["physics"][0], many.get_state()["physics"][5])


HASH_AN_EPISODE = """
import hashlib, numpy as np
from teamvla_envs.env.vector import TeamVectorEnv
env = TeamVectorEnv("lift", {num_envs}, num_threads={threads})
env.reset(seed=3)
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for _ in range(30):
    env.step(np.repeat(rng.uniform(-1, 1, (1, 16)), {num_envs}, axis=0))
    state = env.get_state()
    for key in sorted(state):
        digest.update(state[key][:2].tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def hash_here(run_python: Callable[..., str]) -> str:
    return run_python(HASH_AN_EPISODE.format(num_envs=2, threads=1))


@pytest.mark.parametrize(("num_envs", "threads"), [(2, 2), (5, 1)])
def test_a_new_process_repeats_an_episode_bit_for_bit(
    hash_here: str, run_python: Callable[..., str], num_envs: int, threads: int
):
    assert run_python(HASH_AN_EPISODE.format(num_envs=num_envs, threads=threads)) == hash_here
