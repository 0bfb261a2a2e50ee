"""Construction of encoders and tokenizers from their configurations."""

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
    """Converts sentences to tokens."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words that a checkpoint must store."""

    @property
    def unknown(self) -> int | None:
        """Token of an unknown word; None if words cannot be replaced."""

    def length(self, sentence: str) -> int:
        """Return the number of tokens of a sentence before truncation."""

    def encode(self, sentences: Sequence[str], max_tokens: int) -> np.ndarray:
        """Return the tokens of U sentences, (U, L) int64, padded with 0."""


def make_vision(config: VisionConfig, image_size: tuple[int, int], condition_size: int) -> VisionEncoder:
    """Make an image encoder, from images and conditions to keypoints.

    Args:
        config: Configuration of the encoder.
        image_size: (H, W) [px].
        condition_size: Length of the conditioning vector.
    """
    if config.encoder == "vit":
        return ViT(config.vit, image_size, condition_size)
    if config.encoder.startswith(PREFIX):
        return PretrainedPoints(config.encoder.removeprefix(PREFIX), condition_size)
    return FilmCNN(config, image_size, condition_size)


def make_language(config: LanguageConfig, vocabulary_size: int) -> nn.Module:
    """Make an instruction encoder, from tokens (U, L) int64 to vectors (U, config.size) float32."""
    if config.encoder == "minilm":
        return MiniLMEncoder(config.size)
    if config.encoder == "none":
        return NoInstruction(config.size)
    return LanguageEncoder(config, vocabulary_size)


def make_tokenizer(config: LanguageConfig, vocabulary: Sequence[str]) -> Tokenizer:
    """Make the tokenizer of a checkpoint from its vocabulary."""
    return MiniLMTokenizer() if config.encoder == "minilm" else WordTokenizer(vocabulary)


def fit_tokenizer(config: LanguageConfig, sentences: Iterable[str]) -> Tokenizer:
    """Make the tokenizer of a training on these sentences."""
    return MiniLMTokenizer() if config.encoder == "minilm" else WordTokenizer.from_sentences(sentences)
