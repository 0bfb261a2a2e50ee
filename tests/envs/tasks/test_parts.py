"""Declarations of tasks: the parts are those that are observed, and the docstring has their tables."""

import pytest
from teamvla_envs import registered_tasks
from teamvla_envs.registration import get_task
from teamvla_envs.tasks.parts import ARM_PARTS

from tests.envs.tasks.conftest import TEAMS, MakeEnv, Team, each


@each(TEAMS)
def test_the_declared_parts_are_the_observed_ones(team: Team, make_env: MakeEnv):
    env = make_env(team)
    arms = len(env.agent_pos_parts) * team.num_arms
    declared = [(part.name, part.length(team.num_arms)) for part in env.task.parts]
    assert list(env.environment_state_parts[arms:]) == declared
    assert [name for name, _ in env.agent_pos_parts] == [part.name for part in ARM_PARTS]


@pytest.mark.parametrize("name", registered_tasks())
def test_help_shows_actions_observations_and_starting_state(name: str):
    task = get_task(name)
    text = task.__doc__ or ""
    assert text.startswith(task.description)
    assert "joint_delta" in text
    for part in task.parts:
        assert f"{part.name} " in text
    for draw in task.draws.ranges:
        assert f"{draw} " in text
    assert max(map(len, text.splitlines())) <= 140


@each(TEAMS)
def test_contacts_are_addressed_by_kind_and_body(team: Team, make_env: MakeEnv):
    env = make_env(team)
    env.reset(seed=0)
    grasps, collisions = env.world.contacts("grasp"), env.world.contact_forces("collision")
    pairs = env.task.contact_pairs()
    assert grasps.shape[:2] == (1, team.num_arms)
    assert grasps.shape[2] * team.num_arms + collisions.shape[1] == len(pairs)
    assert env.world.contact_layout is not None
    last = env.task.bodies[-1:]
    columns = env.world.contact_layout.columns("grasp", last)
    assert [(pairs[c].arm, pairs[c].body) for c in columns[:, 0]] == [(k, *last) for k in range(team.num_arms)]
