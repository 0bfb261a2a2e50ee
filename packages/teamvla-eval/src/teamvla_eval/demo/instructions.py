"""Goal of a typed instruction in the scene that is shown."""

import difflib
import unicodedata
from typing import TYPE_CHECKING

from teamvla_eval.demo.settings import MAX_INSTRUCTION

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


def instructions_of_goals(env: "TeamVectorEnv", seed: int) -> dict[str, tuple[str, ...]]:
    """All instructions of every goal in the scene of a seed, of both splits; resets the environment.

    Args:
        env: Environment with one world.
        seed: Seed of the scene.

    Returns:
        Goal to its instructions, the goal of the seed first.
    """
    from teamvla_envs.registration import get_task
    from teamvla_envs.tasks.base import SPLITS

    tasks = [get_task(env.task_name)(num_arms=env.num_arms, split=split) for split in SPLITS]
    _, info = env.reset(seed=seed)
    own = str(info["goal"][0])
    found: dict[str, tuple[str, ...]] = {}
    for goal in (own, *(goal for goal in env.goals if goal != own)):
        env.reset(seed=seed, options={"goal": goal})
        facts = env.episode_facts()
        found[goal] = tuple(dict.fromkeys(text for task in tasks for text in task.sentences(facts, 0)))
    return found


def cleaned(text: str) -> str:
    """Normalize typed text to one line of at most ``MAX_INSTRUCTION`` printable characters."""
    text = unicodedata.normalize("NFKC", text[: 4 * MAX_INSTRUCTION])
    printable = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    return " ".join(printable.split())[:MAX_INSTRUCTION].strip()


def goal_of(instruction: str, instructions: dict[str, tuple[str, ...]]) -> str | None:
    """Goal of an instruction, ignoring case and closing punctuation; None for an unknown instruction."""
    plain = _plain(instruction)
    return next((goal for goal, texts in instructions.items() if plain in map(_plain, texts)), None)


def nearest(instruction: str, instructions: dict[str, tuple[str, ...]]) -> str:
    """Most similar instruction of the scene; empty if none is similar."""
    every = {_plain(text): text for texts in instructions.values() for text in texts}
    near = difflib.get_close_matches(_plain(instruction), list(every), n=1, cutoff=0.5)
    return every[near[0]] if near else ""


def hint(near: str, instructions: dict[str, tuple[str, ...]]) -> str:
    """Suggestion for the visitor: the most similar instruction, or an example for each goal."""
    if near:
        return f"Did you mean “{near}”?"
    examples = "; ".join(f"“{texts[0]}”" for texts in instructions.values())
    return f"In this scene I understand, for example: {examples}."


def _plain(instruction: str) -> str:
    return cleaned(instruction).casefold().rstrip(".!? ")
