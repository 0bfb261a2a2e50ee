"""Every argument of every view: a value works, or a ``ValueError`` names the argument."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
import teamvla_envs
from teamvla_envs.env.message_channel import MessageChannel
from teamvla_envs.env.parallel import TeamParallelEnv
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError

ODD: tuple[Any, ...] = (
    None, "", b"front", "0.5", 1.9, True, False, float("nan"), float("inf"), -1, 0, 10**30, [], {}, object(), set(),
    np.array([1.0, 2.0]), np.array([[1]]), np.array("x"), [None], ["x"], [[1, 2], [3]], {"a": 1}, iter([1]), 1 + 2j,
    [True], lambda: 0, ["front", "front"], 2**31 + 1, np.float64(2.0),
)  # fmt: skip
# What is accepted on purpose, as repr.
ACCEPTED: dict[str, tuple[str, ...]] = {
    "cameras": ("None", "[]"),
    "image_channels": ("[]",),
    "randomization": ("{}",),
    "max_episode_steps": ("None",),
    "render_mode": ("None",),
    "num_threads": ("None",),
    "max_cycles": ("None",),
    "rounds": ("0",),
    "delay": ("0",),
    "drop_rate": ("0",),
    "noise": ("1.9", "0", "1" + 30 * "0", str(2**31 + 1), "np.float64(2.0)"),
    "seed": ("None", "0", str(2**31 + 1)),
    "reset": ("None", "{}", "{'a': 1}"),
    "goal": ("None",),
    "worlds": ("None", "[]"),
    "world": ("0",),
    "gripper": ("None", "-1", "0"),
    "values": (),
    "messages": ("{}",),
}
VECTOR = (
    "task", "num_envs", "num_arms", "robot", "obs_mode", "action_mode", "reward_mode", "device", "solver", "cameras",
    "image_size", "image_channels", "randomization", "split", "instruction_for", "max_episode_steps", "render_mode",
    "render_size", "looks", "autoreset_mode", "num_threads",
)  # fmt: skip


def check(name: str, call: Callable[[Any], object], values: Sequence[Any] = ODD, known_as: str = "") -> None:
    """Every value is accepted on purpose or refused by name."""
    for value in values:
        accepted = repr(value) in ACCEPTED.get(name, ())
        if accepted:
            call(value)
            continue
        with pytest.raises(UserError) as caught:
            call(value)
        assert (known_as or name) in str(caught.value), f"{name}={value!r}: {caught.value}"


def play(env: Any) -> None:
    """Reset, step once and close."""
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents} if hasattr(env, "agents") else None
    env.step(env.action_space.sample() if actions is None else actions)
    env.close()


@pytest.mark.parametrize("name", VECTOR)
def test_the_constructor_refuses_nonsense_by_name(name: str):
    usual: dict[str, Any] = {"task": "lift", "image_size": 16, "num_threads": 1}
    check(name, lambda value: play(TeamVectorEnv(**{**usual, name: value})))


@pytest.mark.parametrize("view", [TeamEnv, TeamParallelEnv])
@pytest.mark.parametrize("name", ["task", "max_episode_steps", "cameras"])
def test_the_other_views_refuse_it_too(view: Any, name: str):
    check(name, lambda value: play(view(**{"task": "lift", "image_size": 16, name: value})))


def test_the_limit_of_the_parallel_view_is_checked_by_its_own_name():
    check("max_cycles", lambda value: play(TeamParallelEnv("lift", max_cycles=value)))


@pytest.mark.parametrize("view", [TeamEnv, TeamParallelEnv])
@pytest.mark.parametrize(("name", "value"), [("num_envs", 3), ("autoreset_mode", "SameStep")])
def test_one_world_takes_no_arguments_of_several(view: Any, name: str, value: Any):
    with pytest.raises(UserError, match=f"{name}: .* has one world"):
        view("lift", **{name: value})


@pytest.mark.parametrize(
    "make",
    [
        lambda **kwargs: TeamVectorEnv("lift", **kwargs),
        lambda **kwargs: TeamEnv("lift", **kwargs),
        lambda **kwargs: teamvla_envs.parallel_env("lift", **kwargs),
        lambda **kwargs: gym.make("TeamVLA/Lift-v0", **kwargs),
        lambda **kwargs: gym.make_vec("TeamVLA/Lift-v0", **kwargs),
        lambda **kwargs: pettingzoo.make("parallel", "TeamVLA/Lift-v0", **kwargs),
    ],
)
def test_a_misspelled_argument_suggests_the_nearest_name(make: Callable[..., Any]):
    with pytest.raises(UserError, match=r"obs_mod: there is no such argument \(did you mean obs_mode\?\)"):
        make(obs_mod="vision")


@pytest.mark.parametrize(
    "make",
    [gym.make, gym.make_vec, lambda name, **kwargs: pettingzoo.make("parallel", name, **kwargs)],
    ids=["make", "make_vec", "pettingzoo"],
)
def test_an_id_makes_no_other_task(make: Callable[..., Any]):
    with pytest.raises(UserError, match=r"task: got 'handoff' for TeamVLA/Lift-v0, .* use TeamVLA/Handoff-v0"):
        make("TeamVLA/Lift-v0", task="handoff")


def test_a_window_on_the_screen_is_the_business_of_a_command():
    with pytest.raises(UserError, match="render_mode: got 'human', allowed are None, 'rgb_array'; `teamvla view`"):
        gym.make("TeamVLA/Lift-v0", render_mode="human")


@pytest.fixture(scope="module")
def views() -> Iterator[tuple[TeamVectorEnv, TeamEnv, TeamParallelEnv]]:
    """One environment of each kind."""
    vector, single, parallel = TeamVectorEnv("lift", 2, num_threads=1), TeamEnv("lift"), TeamParallelEnv("lift")
    for env in (vector, single, parallel):
        env.reset(seed=0)
    yield vector, single, parallel
    for env in (vector, single, parallel):
        env.close()


def test_resets_refuse_nonsense_by_name(views: tuple[Any, ...]):
    def refuse(env: Any) -> None:
        check("seed", lambda value: env.reset(seed=value))
        check("reset", lambda value: env.reset(options=value), known_as="options")
        several = [value for value in ODD if repr(value) != "[None]"]
        check("goal", lambda value: env.reset(options={"goal": value}), several)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for env in views:
            refuse(env)
        check("seed", lambda value: views[0].reset(seed=[0, value]))


def test_an_option_that_is_probably_misspelled_is_a_warning(views: tuple[Any, ...]):
    for env in views:
        with pytest.warns(UserWarning, match=r"reset option 'goall' has no effect \(did you mean goal\?\)"):
            env.reset(seed=0, options={"goall": "hold"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        views[0].reset(seed=0, options={"of_a_wrapper": 1})


def test_one_seed_or_goal_may_be_given_for_each_world(views: tuple[Any, ...]):
    vector = views[0]
    vector.reset(seed=[None, 3])
    assert vector.seeds[1] == 3
    vector.reset(seed=np.array([4, 5]), options={"goal": [None, "hold"]})
    assert vector.goal_names[1] == "hold"


def test_actions_refuse_nonsense_by_name(views: tuple[Any, ...]):
    vector, _, parallel = views
    still = np.zeros(8)
    for env in views:
        env.reset(seed=0)
        check("action", env.step)
    check("action", lambda value: parallel.step({"arm_0": value, "arm_1": still}), known_as="action for arm_0")
    check("action", lambda value: vector.step([[value] * 16] * 2), values=("0.5", None, b"1", True, object(), {}))
    with pytest.raises(UserError, match=r"'arm_2' is no agent .*expected arm_0, arm_1"):
        parallel.step({"arm_0": still, "arm_1": still, "arm_2": still})


def test_queries_refuse_nonsense_by_name(views: tuple[Any, ...]):
    env = views[0]
    env.reset(seed=0)
    up = [0.0, 0.0, 1.0]
    check("world", lambda value: env.push(value, "bar", up))
    check("body", lambda value: env.push(0, value, up))
    check("impulse", lambda value: env.push(0, "bar", value))
    check("world", env.body_poses)
    check("gripper", env.hold_actions)
    check("camera names", lambda value: env.render_cameras(value, 16), known_as="cameras")
    check("size", lambda value: env.render_cameras(["front"], value))
    check("worlds", lambda value: env.render_cameras(["front"], 16, value), known_as="world")
    check("world", lambda value: env.render_cameras(["front"], 16, [value]))
    check("channel", lambda value: env.render_cameras(["front"], 16, [0], value))


@pytest.mark.parametrize("name", ["env", "width", "rounds", "drop_rate", "delay", "noise", "seed"])
def test_a_message_channel_refuses_nonsense_by_name(views: tuple[Any, ...], name: str):
    def make(value: Any) -> None:
        channel = MessageChannel(**{"env": views[2], name: value})
        channel.reset(seed=0)

    check(name, make, tuple(value for value in ODD if value is not None))


def test_messages_refuse_nonsense_by_name(views: tuple[Any, ...]):
    still = {"motion": np.zeros(8)}
    channel, talk = MessageChannel(views[2], 4), MessageChannel(views[2], 4, rounds=1000)
    channel.reset(seed=0)
    check("action", channel.step)
    check("action", lambda value: channel.step({"arm_0": value, "arm_1": still}))
    check("message", lambda value: channel.step({"arm_0": {**still, "message": value}, "arm_1": still}))
    talk.reset(seed=0)
    check("messages", talk.exchange)
    misspelled: dict[str, Any] = {"drop_rat": 0.5}
    with pytest.raises(UserError, match=r"drop_rat: .*did you mean drop_rate"):
        MessageChannel(views[2], **misspelled)
