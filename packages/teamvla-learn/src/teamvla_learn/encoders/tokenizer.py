"""Sentences to numbers: lower-cased words without punctuation, from a vocabulary fixed at training time."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

PAD, UNKNOWN = "<pad>", "<unk>"
PAD_TOKEN, UNKNOWN_TOKEN = 0, 1

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def split_words(sentence: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation."""
    return _WORD.findall(sentence.casefold())


class WordTokenizer:
    """Numbers the words of a vocabulary; 0 pads, 1 stands for every word that is not in it.

    Args:
        vocabulary: All words, beginning with ``<pad>`` and ``<unk>``.
    """

    unknown = UNKNOWN_TOKEN

    def __init__(self, vocabulary: Sequence[str]):
        if tuple(vocabulary[:2]) != (PAD, UNKNOWN) or len(set(vocabulary)) != len(vocabulary):
            raise ValueError(f"a vocabulary is {PAD}, {UNKNOWN} and then words, each once")
        self.vocabulary = tuple(vocabulary)
        self._tokens = {word: token for token, word in enumerate(self.vocabulary)}

    @classmethod
    def from_sentences(cls, sentences: Iterable[str]) -> "WordTokenizer":
        """Number the words of these sentences in alphabetical order."""
        return cls((PAD, UNKNOWN, *sorted({word for sentence in sentences for word in split_words(sentence)})))

    def length(self, sentence: str) -> int:
        """Return how many tokens a sentence has before it is cut."""
        return max(len(split_words(sentence)), 1)

    def encode(self, sentences: Sequence[str], max_tokens: int) -> np.ndarray:
        """Turn sentences into tokens.

        Args:
            sentences: U sentences; one without any word becomes a single ``<unk>``.
            max_tokens: Longer sentences are cut to this many words.

        Returns:
            (U, L) int64, L the length of the longest.
        """
        rows = [
            [self._tokens.get(word, UNKNOWN_TOKEN) for word in split_words(sentence)[:max_tokens]] or [UNKNOWN_TOKEN]
            for sentence in sentences
        ]
        tokens = np.full((len(rows), max(map(len, rows), default=1)), PAD_TOKEN, dtype=np.int64)
        for row, numbers in zip(tokens, rows, strict=True):
            row[: len(numbers)] = numbers
        return tokens
