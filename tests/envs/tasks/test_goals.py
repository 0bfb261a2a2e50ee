"""Only the sentence tells the goal: not the scene, not the state; and who does something else fails."""

from itertools import combinations, permutations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from teamvla_envs.tasks import drawer_sentences, handoff_sentences, lift_sentences
from teamvla_envs.tasks.draws import COLOR_PAIRS
from teamvla_envs.tasks.instructions import Paraphrases

from tests.envs.tasks.conftest import LARGER, PAIRS, TEAMS, MakeEnv, Team, begin, each, turned

COLORS = range(4)
FAMILIES = {
    name: value
    for module in (lift_sentences, handoff_sentences, drawer_sentences)
    for name, value in vars(module).items()
    if isinstance(value, Paraphrases)
}


TURNS = [(team, turn) for team in PAIRS for turn in range(1, len(team.cls.goals))] + [(team, 1) for team in LARGER]


@pytest.mark.parametrize(("team", "turn"), TURNS, ids=str)
def test_who_does_something_else_than_the_sentence_says_fails(team: Team, make_env: MakeEnv, turn: int):
    env, misled = (make_env(team, 8, max_episode_steps=team.steps) for _ in range(2))
    begin(env)
    begin(misled, goals=turned(env, turn))
    for _ in range(team.steps):
        actions = misled.expert_actions()
        *_, wrong = misled.step(actions)
        *_, info = env.step(actions)
    assert wrong["is_success"].sum() >= 7
    assert not info["is_success"].any()


@pytest.mark.slow
@each(PAIRS)
def test_who_guesses_the_goal_succeeds_by_chance(team: Team, make_env: MakeEnv):
    env, guess = (make_env(team, 200, max_episode_steps=team.steps) for _ in range(2))
    begin(env)
    begin(guess, goals=np.random.default_rng(0).choice(env.goals, 200).tolist())
    for _ in range(team.steps):
        actions = guess.expert_actions()
        guess.step(actions)
        *_, info = env.step(actions)
    assert abs(info["is_success"].mean() - 1 / len(env.goals)) < 0.1


@each(TEAMS)
def test_the_scene_is_drawn_without_regard_to_the_goal(team: Team):
    task, draws = team.cls(team.num_arms), np.random.default_rng(0).random((1000, team.cls.draws.count))
    first, columns = task.initial_state(draws), np.arange(task.draws.count)
    starts = [task.initial_state(np.where(columns == column, 1 - draws, draws)) for column in columns]
    changing = [not np.array_equal(start.facts["goal"], first.facts["goal"]) for start in starts]
    assert_array_equal(np.flatnonzero(changing), task.draws.column("goal"))
    other = starts[task.draws.column("goal")]
    for name, pose in first.body_pose.items():
        assert_array_equal(other.body_pose[name], pose)
    for field, values in first.fields.items():
        assert_array_equal(other.fields[field], values)
    shares = np.bincount(first.facts["goal"], minlength=len(task.goals)) / 1000
    assert np.abs(shares - 1 / len(task.goals)).max() < 0.05


@each(TEAMS)
def test_what_is_left_of_the_state_without_the_goal_parts_does_not_depend_on_the_goal(team: Team, make_env: MakeEnv):
    env, other = make_env(team, 8), make_env(team, 8)
    begin(env)
    begin(other, goals=turned(env, 1))
    for each_env in (env, other):
        for _ in range(3):
            each_env.step(np.zeros((8, team.num_arms * env.action_size)))
    for name, part in env.state_parts(with_goal=False).items():
        assert_array_equal(other.state_parts(with_goal=False)[name], part, err_msg=name)
    assert any((other.state_parts()[name] != part).any() for name, part in env.state_parts().items())


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_has_enough_paraphrases_and_none_of_the_held_out_ones_in_training(family: Paraphrases):
    assert len(set(family.train)) >= 12
    assert len(set(family.unseen)) >= 6
    assert not set(family.train) & set(family.unseen)


def test_the_splits_share_the_arrangements_of_colors():
    train, unseen = (set(COLOR_PAIRS[split]) for split in ("train", "unseen"))
    assert not train & unseen
    assert train | unseen == set(permutations(COLORS, 2))


def test_every_color_is_in_either_place_equally_often():
    for pairs in COLOR_PAIRS.values():
        for place in range(2):
            counts = [sum(pair[place] == color for pair in pairs) for color in COLORS]
            assert len(set(counts)) == 1


def test_training_shows_every_two_colors_together():
    """Else a policy could not know which of two words means which of the two colors."""
    assert {tuple(sorted(pair)) for pair in COLOR_PAIRS["train"]} == set(combinations(COLORS, 2))
