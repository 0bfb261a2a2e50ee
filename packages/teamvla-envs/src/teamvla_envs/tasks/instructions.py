"""Paraphrases of instructions: templates for training, and held-out ones for ``split="unseen"``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paraphrases:
    """Templates that express the same kind of goal; words in braces are filled in from the episode.

    Attributes:
        train: Templates of training episodes.
        unseen: Templates held out for ``split="unseen"``.
    """

    train: tuple[str, ...]
    unseen: tuple[str, ...]

    def templates(self, split: str) -> tuple[str, ...]:
        """The templates of ``"train"`` or ``"unseen"``."""
        return self.train if split == "train" else self.unseen

    def choose(self, u: float, split: str, **words: str) -> str:
        """The instruction selected by ``u`` in [0, 1), with its words filled in."""
        templates = self.templates(split)
        return templates[min(int(u * len(templates)), len(templates) - 1)].format(**words)

    def every(self, split: str, **words: str) -> tuple[str, ...]:
        """All instructions of a split with these words."""
        return tuple(template.format(**words) for template in self.templates(split))
