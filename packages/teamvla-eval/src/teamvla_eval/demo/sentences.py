"""Goal of a typed instruction in the scene that is shown."""

import difflib
import unicodedata
from typing import TYPE_CHECKING

from teamvla_eval.demo.settings import MAX_SENTENCE

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


def sentences_of_goals(env: "TeamVectorEnv", seed: int) -> dict[str, tuple[str, ...]]:
    """All instructions of every goal in the scene of a seed, of both splits; resets the environment.

    Args:
        env: Environment with one world.
        seed: Seed of the scene.

    Returns:
        Goal to its instructions, the goal of the seed first.
    """
    from teamvla_envs.registration import get_task
    from teamvla_envs.tasks.base import SPLITS

    tellers = [get_task(env.task_name)(num_arms=env.num_arms, split=split) for split in SPLITS]
    _, info = env.reset(seed=seed)
    own = str(info["goal"][0])
    told: dict[str, tuple[str, ...]] = {}
    for goal in (own, *(goal for goal in env.goals if goal != own)):
        env.reset(seed=seed, options={"goal": goal})
        facts = env.episode_facts()
        told[goal] = tuple(dict.fromkeys(said for teller in tellers for said in teller.sentences(facts, 0)))
    return told


def cleaned(text: str) -> str:
    """Normalize typed text to one line of at most ``MAX_SENTENCE`` printable characters."""
    text = unicodedata.normalize("NFKC", text[: 4 * MAX_SENTENCE])
    printable = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    return " ".join(printable.split())[:MAX_SENTENCE].strip()


def goal_of(sentence: str, sentences: dict[str, tuple[str, ...]]) -> str | None:
    """Goal of an instruction, ignoring case and closing punctuation; None for an unknown instruction."""
    heard = _plain(sentence)
    return next((goal for goal, told in sentences.items() if heard in map(_plain, told)), None)


def nearest(sentence: str, sentences: dict[str, tuple[str, ...]]) -> str:
    """Most similar instruction of the scene; empty if none is similar."""
    every = {_plain(said): said for told in sentences.values() for said in told}
    near = difflib.get_close_matches(_plain(sentence), list(every), n=1, cutoff=0.5)
    return every[near[0]] if near else ""


def hint(near: str, sentences: dict[str, tuple[str, ...]]) -> str:
    """Suggestion for the visitor: the most similar instruction, or an example for each goal."""
    if near:
        return f"Did you mean “{near}”?"
    examples = "; ".join(f"“{told[0]}”" for told in sentences.values())
    return f"In this scene I understand, for example: {examples}."


def _plain(sentence: str) -> str:
    return cleaned(sentence).casefold().rstrip(".!? ")
