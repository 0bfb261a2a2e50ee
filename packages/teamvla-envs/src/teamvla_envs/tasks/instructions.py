"""Sentences: families of paraphrases, a training set and a held-out set for each.

A family tells one kind of goal; words in braces are filled with what the episode shows (a color, a side, a height).
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Paraphrases of one kind of goal.

    Attributes:
        train: Templates that training episodes use.
        unseen: Templates held out for ``split="unseen"``.
    """

    train: tuple[str, ...]
    unseen: tuple[str, ...]

    def templates(self, split: str) -> tuple[str, ...]:
        """The templates of ``"train"`` or ``"unseen"``."""
        return self.train if split == "train" else self.unseen

    def choose(self, u: float, split: str, **words: str) -> str:
        """The sentence picked by ``u`` in [0, 1), with its words filled in."""
        templates = self.templates(split)
        return templates[min(int(u * len(templates)), len(templates) - 1)].format(**words)

    def every(self, split: str, **words: str) -> tuple[str, ...]:
        """All sentences of the split with these words."""
        return tuple(template.format(**words) for template in self.templates(split))


def vocabulary(families: Iterable[Family], words: Iterable[str]) -> tuple[str, ...]:
    """Every sentence part of the training split: templates without their slots, and the words that fill them."""
    parts = [template for family in families for template in family.train]
    return tuple(dict.fromkeys([*parts, *words]))
