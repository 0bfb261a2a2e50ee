"""The task registry as an extension point."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import gymnasium as gym
import pettingzoo
import pytest
import teamvla_envs
from teamvla_envs import registration
from teamvla_envs.env.single import TeamEnv
from teamvla_envs.tasks.lift import Lift


class ShortLift(Lift):
    """Lift, but shorter."""

    name = "short_lift"
    horizon = 5


@pytest.fixture
def short_lift() -> Iterator[str]:
    teamvla_envs.register_task("short_lift", ShortLift)
    yield "short_lift"
    if "short_lift" in teamvla_envs.registered_tasks():
        teamvla_envs.deregister_task("short_lift")


def test_a_registered_task_is_made_by_every_view(short_lift: str):
    assert short_lift in teamvla_envs.registered_tasks()
    assert teamvla_envs.get_task(short_lift) is ShortLift
    env = gym.make("TeamVLA/ShortLift-v0")
    assert isinstance(env.unwrapped, TeamEnv)
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[3] for _ in range(5)]
    assert ends == [False] * 4 + [True]  # its own horizon
    vector = gym.make_vec("TeamVLA/ShortLift-v0", num_envs=2)
    parallel = pettingzoo.make("parallel", "TeamVLA/ShortLift-v0")
    for made in (env, vector, parallel):
        made.close()


def test_deregistering_removes_the_ids(short_lift: str):
    teamvla_envs.deregister_task(short_lift)
    assert short_lift not in teamvla_envs.registered_tasks()
    with pytest.raises(gym.error.Error):
        gym.make("TeamVLA/ShortLift-v0")
    with pytest.raises(ValueError, match="task: got 'short_lift', allowed are 'lift', 'handoff', 'drawer'"):
        teamvla_envs.get_task(short_lift)


def test_a_name_is_registered_once(short_lift: str):
    with pytest.raises(ValueError, match="'short_lift' is registered already"):
        teamvla_envs.register_task(short_lift, ShortLift)
    with pytest.raises(ValueError, match="'lift' is registered already"):
        teamvla_envs.register_task("lift", ShortLift)


@pytest.mark.parametrize("name", ["Short", "short lift", "", "1st", "../lift"])
def test_a_malformed_name_is_refused(name: str):
    with pytest.raises(ValueError, match="expected lower-case letters, digits and underscores"):
        teamvla_envs.register_task(name, ShortLift)


@pytest.mark.parametrize(
    ("where", "message"),
    [("no_such_module:Task", "cannot be loaded"), ("math:Task", "cannot be loaded"), ("math:pi", "is not a class")],
)
def test_a_task_that_cannot_be_loaded_is_told_when_it_is_made(where: str, message: str):
    teamvla_envs.register_task("broken", where)
    try:
        with pytest.raises(ValueError, match=f"task 'broken'.*{message}"):
            teamvla_envs.vector_env("broken")
    finally:
        teamvla_envs.deregister_task("broken")


def test_an_installed_package_offers_tasks_without_being_loaded(monkeypatch: pytest.MonkeyPatch):
    offered = (EntryPoint("juggle", "package_that_is_not_there:Juggle", registration.TASK_GROUP),)
    monkeypatch.setattr(registration, "_offered", lambda: offered)
    registration.register_environments()
    try:
        assert "juggle" in teamvla_envs.registered_tasks()
        assert gym.spec("TeamVLA/Juggle-v0").max_episode_steps is None
    finally:
        teamvla_envs.deregister_task("juggle")


def test_built_in_horizons_are_those_of_the_classes():
    for name in registration.BUILT_IN:
        assert registration.get_row(name).horizon == teamvla_envs.get_task(name).horizon
