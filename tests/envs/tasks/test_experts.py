"""The experts: they solve every task with every number of arms, from any state, and no arm can be spared."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.conftest import FinishEpisodes, Outcome
from tests.envs.tasks.conftest import (
    LARGER,
    PAIRS,
    TEAMS,
    MakeEnv,
    Team,
    after_random_steps,
    begin,
    each,
    frozen,
    part_of,
)


@each(PAIRS)
def test_the_expert_solves_forty_held_out_episodes(team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env(team, 40)
    begin(env)
    outcome = finish_episodes(env)
    assert outcome.success.all(), f"seeds {env.seeds[~outcome.success].tolist()}"
    assert set(outcome.goals) == set(env.goals)
    assert np.median(outcome.steps) <= team.median


@each(LARGER)
def test_the_expert_leads_a_larger_team(team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env(team, 12)
    begin(env)
    outcome = finish_episodes(env)
    assert outcome.success.sum() >= 11
    assert np.median(outcome.steps) <= team.median


@pytest.mark.slow
@each(TEAMS)
def test_the_expert_solves_almost_all_of_many_held_out_episodes(
    team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes
):
    at_once, count, bar = (250, 1000, 0.98) if team in PAIRS else (100, 300, 0.95)
    env = make_env(team, at_once)
    parts = []
    for offset in range(0, count, at_once):
        begin(env, offset)
        parts.append(finish_episodes(env))
    names = ("success", "steps", "goals")
    outcome = Outcome(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    assert outcome.rate() >= bar
    assert min(outcome.rate(goal) for goal in env.goals) >= bar - 0.03
    assert np.median(outcome.steps) <= team.median


OTHERWISE = (
    {"action_mode": "joint_pos"},
    {"action_mode": "ee_delta"},
    {"split": "unseen"},
    {"randomization": "hard"},
)


@pytest.mark.parametrize("settings", OTHERWISE, ids=lambda settings: next(iter(settings.values())))
@each(PAIRS)
def test_the_expert_copes_with_other_settings(
    team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes, settings: dict[str, str]
):
    env = make_env(team, 12, **settings)
    begin(env)
    assert finish_episodes(env).success.sum() >= (10 if "randomization" in settings else 12)


@pytest.mark.slow
@pytest.mark.parametrize("settings", OTHERWISE, ids=lambda settings: next(iter(settings.values())))
@each(TEAMS)
def test_the_expert_copes_with_other_settings_in_a_hundred_episodes(
    team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes, settings: dict[str, str]
):
    env = make_env(team, 100, **settings)
    begin(env)
    assert finish_episodes(env).rate() >= (0.95 if team in PAIRS else 0.9)


@each(TEAMS)
def test_no_arm_can_be_spared(team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env(team, 4, max_episode_steps=team.steps)
    for arm in range(team.num_arms):
        begin(env)
        assert not finish_episodes(env, frozen(env, arm)).success.any()


@pytest.mark.slow
@each(TEAMS)
def test_no_arm_can_be_spared_in_many_episodes(team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env(team, 100 if team in PAIRS else 30)
    for arm in range(team.num_arms):
        begin(env)
        assert not finish_episodes(env, frozen(env, arm)).success.any()


@each(PAIRS)
def test_the_expert_copes_with_noise_that_drifts(team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes):
    env = make_env(team, 20)
    begin(env)
    rng, drift = np.random.default_rng(0), np.zeros((20, team.num_arms, 7))

    def act() -> np.ndarray:
        nonlocal drift
        drift = 0.8 * drift + team.noise / 0.05 * rng.standard_normal(drift.shape)
        actions = env.expert_actions().reshape(20, team.num_arms, -1)
        actions[..., :7] += drift
        return actions.reshape(20, -1)

    assert finish_episodes(env, act).rate() >= 0.85


@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
@each(PAIRS)
def test_the_expert_takes_over_after_sixty_random_steps(
    team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes, steps_alike: int
):
    env = make_env(team, 20, max_episode_steps=360)
    begin(env)
    on_table = after_random_steps(env, steps_alike)
    assert on_table.sum() >= 15
    assert finish_episodes(env).success[on_table].mean() >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("steps_alike", [1, 12], ids=["trembling", "wandering"])
@each(TEAMS)
def test_the_expert_takes_over_after_sixty_random_steps_in_a_hundred_episodes(
    team: Team, make_env: MakeEnv, finish_episodes: FinishEpisodes, steps_alike: int
):
    env = make_env(team, 100, max_episode_steps=60 + 2 * team.steps)
    begin(env)
    on_table = after_random_steps(env, steps_alike)
    assert on_table.sum() >= 75
    assert finish_episodes(env).success[on_table].mean() >= 0.9


@each(TEAMS)
def test_the_expert_needs_no_memory_of_its_own(team: Team, make_env: MakeEnv):
    env, other = make_env(team, 4), make_env(team, 4)
    begin(env)
    for _ in range(team.busy):
        env.step(env.expert_actions())
    other.set_state(env.get_state())
    assert_array_equal(other.expert_actions(), env.expert_actions())


@each(PAIRS)
def test_an_episode_goes_through_the_phases_in_order_and_ends_when_success_was_held(team: Team, make_env: MakeEnv):
    env = make_env(team, 12)
    begin(env)
    first, ended, phases = np.full(12, -1), np.full(12, -1), []
    for step in range(team.steps):
        _, _, terminated, _, info = env.step(env.expert_actions())
        first = np.where((env.get_state()["held"] == 1) & (ended < 0), step, first)
        ended = np.where(terminated & (ended < 0), step, ended)
        phases.append(info["phase"])
    assert_array_equal(ended - first + 1, env.task.hold_steps(part_of(env, "episode")))
    assert (np.diff(phases, axis=0) >= 0).all()
    assert {env.phases[phase] for phase in phases[0]} == {"approach"}
    for goal, phase in zip(env.goal_names, phases[-1], strict=True):
        assert env.phases[phase] == ("carry" if goal == "hold" else "done")
