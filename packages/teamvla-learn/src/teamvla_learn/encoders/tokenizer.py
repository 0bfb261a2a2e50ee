"""Word tokenizer: lower-cased words without punctuation, with a vocabulary fixed at training time."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

PAD, UNKNOWN = "<pad>", "<unk>"
PAD_TOKEN, UNKNOWN_TOKEN = 0, 1

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def split_words(sentence: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation."""
    return _WORD.findall(sentence.casefold())


def pad_rows(rows: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
    """Return the tokens of U sentences as an array (U, L) int64, padded with 0; L is the length of the longest."""
    tokens = np.full((len(rows), max(map(len, rows), default=1)), PAD_TOKEN, dtype=np.int64)
    for row, numbers in zip(tokens, rows, strict=True):
        row[: len(numbers)] = numbers
    return tokens


class WordTokenizer:
    """Tokenizer with one token per word of a vocabulary; 0 is padding, 1 the unknown word.

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
        """Make a tokenizer of the words in these sentences, in alphabetical order."""
        return cls((PAD, UNKNOWN, *sorted({word for sentence in sentences for word in split_words(sentence)})))

    def length(self, sentence: str) -> int:
        """Return the number of tokens of a sentence before truncation."""
        return max(len(split_words(sentence)), 1)

    def encode(self, sentences: Sequence[str], max_tokens: int) -> np.ndarray:
        """Convert sentences to tokens.

        Args:
            sentences: U sentences; a sentence without words becomes a single ``<unk>``.
            max_tokens: Longer sentences are truncated to this number of words.

        Returns:
            Tokens (U, L) int64, padded with 0; L is the length of the longest sentence.
        """
        rows = [
            [self._tokens.get(word, UNKNOWN_TOKEN) for word in split_words(sentence)[:max_tokens]] or [UNKNOWN_TOKEN]
            for sentence in sentences
        ]
        return pad_rows(rows)
