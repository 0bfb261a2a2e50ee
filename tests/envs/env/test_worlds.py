"""Attributes of worlds and views: names that all of them share, and gymnasium's access world by world."""

from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import teamvla_envs
from numpy.testing import assert_array_equal
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError

SHARED = (
    "phases", "goals", "cameras", "all_cameras", "control_dt", "action_parts", "action_size", "agent_pos_parts",
    "environment_state_parts", "max_episode_steps", "env_kwargs", "num_arms",
    "task_name", "image_size", "instructions", "goal_names",
)  # fmt: skip


@pytest.fixture(scope="module")
def views() -> Iterator[tuple[Any, ...]]:
    """The same world in every view."""
    envs = (TeamVectorEnv("lift", 1), TeamEnv("lift"), teamvla_envs.parallel_env("lift"))
    for env in envs:
        env.reset(seed=4)
    yield envs
    for env in envs:
        env.close()


@pytest.mark.parametrize("name", SHARED)
def test_every_view_has_the_documented_attributes(views: tuple[Any, ...], name: str):
    vector, single, parallel = views
    expected = getattr(vector, name)
    assert getattr(single, name) == expected
    assert getattr(parallel, name) == expected


def test_every_view_has_seeds_signals_and_pushes(views: tuple[Any, ...]):
    for env in views:
        assert_array_equal(env.seeds, [4])
        assert_array_equal(env.steps, [0])
        assert env.world.joint_pos.shape == (1, 2, 7)
        assert set(env.signals) == set(views[0].signals)
        before = env.get_state()["physics"]
        env.push(0, "bar", [0.0, 0.0, 0.1])
        assert (env.get_state()["physics"] != before).any()
        assert env.all_cameras == ("front", "overhead", "wrist_0", "wrist_1")


def test_the_number_of_arms_is_that_of_the_parallel_views_agents(views: tuple[Any, ...]):
    assert views[2].num_arms == len(views[2].possible_agents)


@pytest.fixture
def both() -> Iterator[tuple[TeamVectorEnv, gym.vector.SyncVectorEnv]]:
    """Worlds of the native and of gymnasium's vector environment."""
    native = gym.make_vec("TeamVLA/Lift-v0", num_envs=2, render_mode="rgb_array", render_size=32)
    sync = gym.make_vec(
        "TeamVLA/Lift-v0", num_envs=2, vectorization_mode="sync", render_mode="rgb_array", render_size=32
    )
    assert isinstance(native, TeamVectorEnv)
    assert isinstance(sync, gym.vector.SyncVectorEnv)
    for env in (native, sync):
        env.reset(seed=2)
    yield native, sync
    native.close()
    sync.close()


@pytest.mark.parametrize(
    "name",
    ["task", "task_description", "_max_episode_steps", "num_arms", "phases", "goals", "cameras", "control_dt",
     "expert_action", "hold_actions", "render", "action_space", "observation_space", "render_mode", "seeds", "steps",
     "instructions", "goal_names"],
)  # fmt: skip
def test_worlds_answer_as_those_of_gymnasium_do(both: tuple[Any, Any], name: str):
    native, sync = both
    for one, other in zip(native.call(name), sync.call(name), strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, atol=1e-6)
        else:
            assert one == other
    if name != "render":
        assert len(native.get_attr(name)) == 2


def test_methods_take_arguments(both: tuple[Any, Any]):
    native, _ = both
    before = native.get_state()["physics"]
    assert native.call("push", 0, "bar", [0.0, 0.0, 0.1]) == (None, None)
    assert (native.get_state()["physics"] != before).any(axis=1).all()


def test_states_and_signals_are_those_of_each_world(both: tuple[Any, Any]):
    native, sync = both
    for one, other in zip(native.call("get_state"), sync.call("get_state"), strict=True):
        assert set(one) == set(other)
        assert_array_equal(one["physics"], other["physics"])
    for one, other in zip(native.get_attr("signals"), sync.get_attr("signals"), strict=True):
        for name, values in one.items():
            assert_array_equal(values, other[name])


def test_attributes_are_set_for_all_worlds_or_one_by_one(both: tuple[Any, Any]):
    native, _ = both
    native.set_attr("max_episode_steps", 7)
    assert native.get_attr("_max_episode_steps") == (7, 7)
    native.set_attr("note", ["left", "right"])
    assert native.get_attr("note") == ("left", "right")
    with pytest.raises(UserError, match="worlds share 'max_episode_steps'"):
        native.set_attr("max_episode_steps", [7, 8])
    with pytest.raises(UserError, match="values: got 3 for 2 worlds"):
        native.set_attr("note", [1, 2, 3])
    with pytest.raises(UserError, match="'seeds' cannot be set"):
        native.set_attr("seeds", 3)


@pytest.mark.parametrize("name", ["task_descripton", "step"])
def test_unknown_attributes_suggest_the_nearest_name(both: tuple[Any, Any], name: str):
    hint = r"did you mean task_description\?" if name != "step" else "'step' is of all worlds at once"
    with pytest.raises(AttributeError, match=hint):
        both[0].call(name)


@pytest.mark.parametrize("action_mode", ["joint_delta", "joint_pos", "ee_delta"])
def test_hold_actions_keep_arms_and_grippers_where_they_are(action_mode: str):
    env = TeamVectorEnv("lift", 2, action_mode=action_mode, num_threads=1)
    env.reset(seed=0)
    for _ in range(12):
        env.step(env.expert_actions())
    world = env.world
    for _ in range(10):
        env.step(env.hold_actions())
    assert env.action_space.contains(env.hold_actions())
    np.testing.assert_allclose(env.world.gripper_target, world.gripper_target, atol=1e-6)
    drift = 1e-5 if action_mode != "ee_delta" else 0.03  # elbows go back to their rest posture, tools stay
    np.testing.assert_allclose(env.world.joint_target, world.joint_target, atol=drift)
    env.close()


def test_hold_actions_have_the_shape_of_an_action(views: tuple[Any, ...]):
    vector, single, parallel = views
    for env in views:
        env.reset(seed=4)
    assert vector.action_space.contains(vector.hold_actions())
    assert single.action_space.contains(single.hold_actions())
    assert_array_equal(single.hold_actions(), vector.hold_actions()[0])
    assert_array_equal(np.concatenate(list(parallel.hold_actions().values())), single.hold_actions())
    assert_array_equal(single.hold_actions(gripper=-1.0).reshape(2, 8), [[0.0] * 7 + [-1.0]] * 2)


def test_an_extra_brings_what_gymnasium_records_videos_with():
    assert any(
        need.startswith("moviepy") and 'extra == "video"' in need.replace("'", '"')
        for need in requires("teamvla-envs") or ()
    )


def test_gymnasium_records_a_video(tmp_path: Path):
    pytest.importorskip("moviepy", reason="needs teamvla-envs[video]")
    env = gym.make("TeamVLA/Lift-v0", render_mode="rgb_array", render_size=64, max_episode_steps=5)
    recorded = gym.wrappers.RecordVideo(env, str(tmp_path), episode_trigger=lambda episode: True)
    recorded.reset(seed=0)
    for _ in range(5):
        recorded.step(recorded.action_space.sample())
    recorded.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


def test_a_render_has_the_size_that_was_asked_for():
    env = gym.make("TeamVLA/Lift-v0", render_mode="rgb_array", render_size=(48, 64))
    env.reset(seed=0)
    frame: Any = env.render()
    assert frame.shape == (48, 64, 3)
    vector = gym.make_vec("TeamVLA/Lift-v0", num_envs=2, render_mode="rgb_array", render_size=32)
    vector.reset(seed=0)
    frames: Any = vector.render()
    assert [frame.shape for frame in frames] == [(32, 32, 3)] * 2
    env.close()
    vector.close()
