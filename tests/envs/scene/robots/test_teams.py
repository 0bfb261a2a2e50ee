"""Teams of different robots stand in one scene, and the experts solve the tasks with them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from numpy.testing import assert_allclose
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.scene.compose import compose
from teamvla_envs.scene.props import Table
from teamvla_envs.scene.robots import PANDA, ROBOTS, XARM7
from teamvla_envs.seeds import episode_seeds

from tests.conftest import FinishEpisodes

MakeTeam = Callable[..., TeamVectorEnv]
MIXED, XARMS = ("panda", "xarm7"), ("xarm7", "xarm7")


@pytest.fixture
def make_team() -> Iterator[MakeTeam]:
    """Makes vector environments whose ended episodes rest, and closes them after the test."""
    made: list[TeamVectorEnv] = []

    def make(task: str, num_envs: int, **kwargs: Any) -> TeamVectorEnv:
        made.append(TeamVectorEnv(task, num_envs, autoreset_mode="Disabled", **kwargs))
        return made[-1]

    yield make
    for env in made:
        env.close()


def test_every_robot_stands_at_its_own_distance_from_the_center() -> None:
    scene = compose(MIXED, [Table()])
    assert scene.robots == (PANDA, XARM7)
    assert_allclose(scene.base_pos, [(-0.70, 0, 0), (XARM7.base_radius, 0, 0)], atol=1e-12)


def test_a_mixed_team_is_an_environment_of_the_same_shape(make_team: MakeTeam) -> None:
    pandas, mixed = make_team("lift", 4), make_team("lift", 4, robot=MIXED)
    assert mixed.single_observation_space == pandas.single_observation_space
    assert mixed.single_action_space == pandas.single_action_space
    assert mixed.env_kwargs["robot"] == ["panda", "xarm7"]


def test_the_arms_of_a_team_need_the_same_number_of_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    short = replace(PANDA, name="short", joints=PANDA.joints[:6], home=PANDA.home[:6])
    monkeypatch.setitem(ROBOTS, "short", short)
    with pytest.raises(ValueError, match=r"robot: .*'panda': 7, 'short': 6.* the same number for each"):
        TeamVectorEnv("lift", robot=("panda", "short"))


@pytest.mark.parametrize("action_mode", ["joint_delta", "joint_pos", "ee_delta"])
def test_the_expert_lifts_with_a_mixed_team_in_every_action_mode(
    make_team: MakeTeam, finish_episodes: FinishEpisodes, action_mode: str
) -> None:
    env = make_team("lift", 20, robot=MIXED, action_mode=action_mode)
    env.reset(seed=episode_seeds("test", 20).tolist())
    assert finish_episodes(env).rate() >= 0.9


@pytest.mark.parametrize(("task", "robot"), [("lift", XARMS), ("handoff", MIXED), ("drawer", MIXED)])
def test_the_experts_solve_the_tasks_with_xarms(
    make_team: MakeTeam, finish_episodes: FinishEpisodes, task: str, robot: tuple[str, str]
) -> None:
    env = make_team(task, 20, robot=robot)
    env.reset(seed=episode_seeds("test", 20).tolist())
    assert finish_episodes(env).rate() >= 0.9
