"""Encoders by the name that a configuration gives them."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from torch import nn

from teamvla_learn.encoders.language import LanguageConfig, LanguageEncoder, NoInstruction
from teamvla_learn.encoders.minilm import MiniLMEncoder, MiniLMTokenizer
from teamvla_learn.encoders.pretrained import PREFIX, PretrainedPoints
from teamvla_learn.encoders.tokenizer import WordTokenizer
from teamvla_learn.encoders.vision import FilmCNN, VisionConfig
from teamvla_learn.encoders.vit import ViT

VisionEncoder = FilmCNN | ViT | PretrainedPoints


class Tokenizer(Protocol):
    """Turns sentences into numbers."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words that a checkpoint must keep."""

    @property
    def unknown(self) -> int | None:
        """The token of a word that is not known; None if no words can be left out."""

    def length(self, sentence: str) -> int:
        """Return how many tokens a sentence has before it is cut."""

    def encode(self, sentences: Sequence[str], max_tokens: int) -> np.ndarray:
        """Return tokens (U, L) int64 of U sentences, padded with 0."""


def make_vision(config: VisionConfig, image_size: tuple[int, int], condition_size: int) -> VisionEncoder:
    """Make a picture encoder: pictures and conditions in, points (B, output_size) out.

    Args:
        config: Which, and its sizes.
        image_size: (H, W) [px].
        condition_size: Length of a condition.
    """
    if config.encoder == "vit":
        return ViT(config.vit, image_size, condition_size)
    if config.encoder.startswith(PREFIX):
        return PretrainedPoints(config.encoder.removeprefix(PREFIX), condition_size)
    return FilmCNN(config, image_size, condition_size)


def make_language(config: LanguageConfig, vocabulary_size: int) -> nn.Module:
    """Make a sentence encoder: tokens (U, L) in, (U, config.size) out."""
    if config.encoder == "minilm":
        return MiniLMEncoder(config.size)
    if config.encoder == "none":
        return NoInstruction(config.size)
    return LanguageEncoder(config, vocabulary_size)


def make_tokenizer(config: LanguageConfig, vocabulary: Sequence[str]) -> Tokenizer:
    """Make the tokenizer of a checkpoint from the words that it keeps."""
    return MiniLMTokenizer() if config.encoder == "minilm" else WordTokenizer(vocabulary)


def fit_tokenizer(config: LanguageConfig, sentences: Iterable[str]) -> Tokenizer:
    """Make the tokenizer of a training that is told in these sentences."""
    return MiniLMTokenizer() if config.encoder == "minilm" else WordTokenizer.from_sentences(sentences)
