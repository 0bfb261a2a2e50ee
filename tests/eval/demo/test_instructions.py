from itertools import combinations

import pytest
import teamvla_envs
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_eval.demo.instructions import cleaned, goal_of, hint, instructions_of_goals, nearest
from teamvla_eval.demo.settings import MAX_INSTRUCTION

INSTRUCTIONS = {"hold": ("hold the bar up", "lift the bar and hold it"), "front": ("put the bar on the front stand",)}


@pytest.mark.parametrize("task", teamvla_envs.registered_tasks())
def test_every_instruction_of_a_scene_names_one_goal(task: str):
    env = TeamVectorEnv(task)
    instructions = instructions_of_goals(env, seed=11)
    env.reset(seed=11)
    assert next(iter(instructions)) == env.goal_names[0]
    assert set(instructions) == set(env.goals)
    assert env.instructions[0] in instructions[env.goal_names[0]]
    for first, second in combinations(instructions.values(), 2):
        assert not set(first) & set(second)
    env.close()


@pytest.mark.parametrize(
    "typed", ["hold the bar up", "  Hold the BAR up. ", "hold\tthe bar\nup!", "ｈｏｌｄ the bar up"]
)
def test_case_spacing_and_closing_punctuation_do_not_matter(typed: str):
    assert goal_of(typed, INSTRUCTIONS) == "hold"


@pytest.mark.parametrize("typed", ["", "hold the bar", "drop the bar", "../../etc/passwd", "<b>hold the bar up</b>"])
def test_other_words_name_no_goal(typed: str):
    assert goal_of(typed, INSTRUCTIONS) is None


def test_what_was_typed_becomes_one_short_printable_line():
    assert cleaned("a\x00b\u202ec\n\n d") == "a b c d"
    assert len(cleaned("word " * 100_000)) <= MAX_INSTRUCTION
    assert cleaned("\u200b\ufeff \r\n") == ""
    assert cleaned("שלום 🤖 Ａ") == "שלום 🤖 A"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hold bar up please", "hold the bar up"),
        ("HOLD THE BAT UP", "hold the bar up"),
        ("put bar on the front", "put the bar on the front stand"),
        ("qwertz", ""),
    ],
)
def test_the_nearest_instruction_of_the_scene_is_suggested(typed: str, meant: str):
    assert nearest(typed, INSTRUCTIONS) == meant


def test_the_hint_is_the_nearest_instruction_or_one_of_each_goal():
    assert hint("hold the bar up", INSTRUCTIONS) == "Did you mean “hold the bar up”?"
    assert "“hold the bar up”; “put the bar on the front stand”" in hint("", INSTRUCTIONS)
