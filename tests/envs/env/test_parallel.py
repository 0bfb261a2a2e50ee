"""One world seen by each arm, as PettingZoo gives it."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
import teamvla_envs
from numpy.testing import assert_allclose, assert_array_equal
from pettingzoo.test import parallel_api_test, parallel_seed_test
from teamvla_envs.env.parallel import TeamParallelEnv

Make = Callable[..., TeamParallelEnv]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes parallel environments of Lift and closes them after the test."""
    made: list[TeamParallelEnv] = []

    def make(**kwargs: Any) -> TeamParallelEnv:
        made.append(teamvla_envs.parallel_env("lift", **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


def still() -> dict[str, np.ndarray]:
    return {"arm_0": np.zeros(8, np.float32), "arm_1": np.zeros(8, np.float32)}


def part(env: TeamParallelEnv, observation: np.ndarray, name: str) -> np.ndarray:
    """A named part of the privileged tail of an arm's observation."""
    sizes = [(key, size) for key, size in env.vector.environment_state_parts if not key.startswith("arm_")]
    ends = np.cumsum([size for _, size in sizes])
    tail = observation[-ends[-1] :]
    return np.split(tail, ends[:-1])[[key for key, _ in sizes].index(name)]


@pytest.mark.parametrize("obs_mode", ["state", "vision"])
def test_pettingzoo_finds_no_fault_in_its_interface(make: Make, obs_mode: str):
    env = make(obs_mode=obs_mode, image_size=32, max_episode_steps=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel_api_test(env, num_cycles=60)


def test_pettingzoo_finds_no_fault_in_its_seeding(make: Make):
    parallel_seed_test(lambda: make(), num_cycles=30)


def test_pettingzoo_makes_it_by_its_id():
    env = pettingzoo.make("parallel", "TeamVLA/Lift-v0")
    assert isinstance(env.unwrapped, TeamParallelEnv)
    assert env.possible_agents == ["arm_0", "arm_1"]
    assert env.unwrapped.vector.max_episode_steps == 300
    env.close()


def test_agents_are_there_from_reset_to_the_end_of_the_episode(make: Make):
    env = make(max_cycles=3)
    assert env.agents == []
    env.reset(seed=0)
    assert env.agents == ["arm_0", "arm_1"]
    for _ in range(3):
        *_, truncations, _ = env.step(still())
    assert truncations == {"arm_0": True, "arm_1": True}
    assert env.agents == []


def test_reward_and_ends_are_shared(make: Make):
    env = make()
    env.reset(seed=0)
    _, rewards, terminations, truncations, infos = env.step(still())
    assert rewards["arm_0"] == rewards["arm_1"]
    assert terminations == truncations == {"arm_0": False, "arm_1": False}
    assert infos["arm_0"]["is_success"] is False


def test_it_is_the_same_world_as_the_single_environment(make: Make):
    env, single = make(), gym.make("TeamVLA/Lift-v0")
    env.reset(seed=4)
    single.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(10):
        action = rng.uniform(-1, 1, 16).astype(np.float32)
        _, rewards, *_ = env.step({"arm_0": action[:8], "arm_1": action[8:]})
        obs, reward, *_ = single.step(action)
        assert rewards["arm_0"] == reward
        assert_array_equal(env.state(), obs)
    single.close()


def test_the_state_is_in_its_space(make: Make):
    env = make()
    env.reset(seed=0)
    assert env.state_space.contains(env.state())


def test_every_arm_feels_itself_and_sees_its_peer(make: Make):
    env = make(obs_mode="vision", image_size=16)
    observations, _ = env.reset(seed=0)
    world = env.vector.world
    for k in range(2):
        own, peers = observations[f"arm_{k}"]["agent_pos"], observations[f"arm_{k}"]["peers"]
        assert_allclose(own[:7], world.joint_pos[0, k], atol=1e-6)
        assert_allclose(peers[:3], world.tool_pos[0, 1 - k] - world.tool_pos[0, k], atol=1e-6)
        assert_allclose(peers[3], world.gripper_opening[0, 1 - k], atol=1e-6)


def test_every_arm_sees_the_shared_cameras_and_its_own_wrist(make: Make):
    env = make(obs_mode="vision", image_size=16)
    observations, _ = env.reset(seed=0)
    images = env.vector.render_cameras(("front", "wrist_0", "wrist_1"), 16)[0]
    for k, agent in enumerate(env.agents):
        assert set(observations[agent]["pixels"]) == {"front", "wrist"}
        assert_array_equal(observations[agent]["pixels"]["front"], images[0])
        assert_array_equal(observations[agent]["pixels"]["wrist"], images[1 + k])


def test_everyone_is_told_the_sentence_by_default(make: Make):
    env = make(obs_mode="vision", image_size=16)
    observations, infos = env.reset(seed=0)
    for agent in env.agents:
        assert observations[agent]["instruction"] == infos[agent]["task_description"] == env.vector.instructions[0]


@pytest.mark.parametrize("told", ["arm_0", "arm_1"])
def test_an_arm_that_is_not_told_gets_an_empty_sentence(make: Make, told: str):
    env = make(obs_mode="vision", image_size=16, instruction_for=told)
    observations, infos = env.reset(seed=0)
    other = "arm_1" if told == "arm_0" else "arm_0"
    assert observations[told]["instruction"] == env.vector.instructions[0]
    assert observations[other]["instruction"] == ""
    assert env.observation_space(other).contains(observations[other])
    assert infos[other]["task_description"] == infos[other]["goal"] == ""
    assert infos[told]["goal"] != ""


@pytest.mark.parametrize("name", ["goal", "goal_pos", "object_to_goal"])
def test_an_arm_that_is_not_told_gets_zeros_for_what_gives_the_goal_away(make: Make, name: str):
    env = make(instruction_for="arm_1")
    observations, _ = env.reset(seed=1)
    assert part(env, observations["arm_1"], name).any()
    assert not part(env, observations["arm_0"], name).any()


def test_what_an_untold_arm_observes_does_not_depend_on_the_goal(make: Make):
    env = make(instruction_for="arm_0")
    env.reset(seed=0)
    state = env.get_state()
    seen = []
    for goal in range(3):
        position = np.array([[0.1 * goal, 0.2, 0.3]])
        observations, infos = env.set_state(state | {"episode.goal": np.array([goal]), "episode.goal_pos": position})
        infos["arm_1"].pop("phase")
        seen.append((observations["arm_1"], infos["arm_1"]))
    for observation, info in seen[1:]:
        assert_array_equal(observation, seen[0][0])
        assert info == seen[0][1]


def test_all_agents_have_equal_spaces(make: Make):
    env = make()
    assert env.observation_space("arm_0") == env.observation_space("arm_1")
    assert env.action_space("arm_0") == env.action_space("arm_1")


def test_the_experts_actions_together_solve_the_task(make: Make):
    env = make()
    env.reset(seed=0)
    while env.agents:
        _, _, terminations, _, _ = env.step(env.expert_actions())
    assert terminations == {"arm_0": True, "arm_1": True}


def test_a_missing_action_is_named(make: Make):
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="none for arm_1, expected one for each of arm_0, arm_1"):
        env.step({"arm_0": np.zeros(8)})


def test_an_action_of_the_wrong_shape_is_traced_to_its_arm(make: Make):
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"arm_1 has shape \(7,\), expected \(8,\): 7 joint_delta and 1 gripper"):
        env.step(still() | {"arm_1": np.zeros(7)})


def test_an_action_that_is_not_finite_is_traced_to_its_arm(make: Make):
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action for arm_1 has a non-finite value nan at index 0"):
        env.step(still() | {"arm_1": np.full(8, np.nan)})


def test_stepping_before_reset_or_after_close_is_a_clear_error(make: Make):
    env = make()
    with pytest.raises(RuntimeError, match="before reset"):
        env.step(still())
    env.reset(seed=0)
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.step(still())


def test_a_state_continues_bit_for_bit(make: Make):
    env, other = make(), make()
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.expert_actions())
    other.set_state(env.get_state())
    actions = env.expert_actions()
    first, second = env.step(actions)[0], other.step(actions)[0]
    for agent in first:
        assert_array_equal(second[agent], first[agent])


def test_the_state_of_a_finished_episode_has_no_agents(make: Make):
    env, other = make(max_cycles=1), make(max_cycles=1)
    env.reset(seed=0)
    env.step(still())
    other.set_state(env.get_state())
    assert other.agents == env.agents == []
