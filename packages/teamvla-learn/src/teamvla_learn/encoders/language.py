"""A sentence to a vector: word and place embeddings, a small transformer, the mean over the words."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor, nn

from teamvla_learn.encoders.tokenizer import PAD_TOKEN


@dataclass(frozen=True)
class LanguageConfig:
    """Which sentence encoder, and its sizes.

    Attributes:
        encoder: ``words``, which learns the words of the demonstrations; or ``minilm``, frozen vectors of a language
            model that knows others, too; or ``none``, to measure what a policy can do that is not told anything.
        size: Length of the sentence's vector.
        heads: Attention heads per layer.
        layers: Transformer layers.
        max_tokens: Words of a sentence that are read.
    """

    encoder: Annotated[Literal["words", "minilm", "none"], tyro.conf.arg(aliases=["--language"])] = "words"
    size: int = 64
    heads: int = 4
    layers: int = 1
    max_tokens: int = 32


class NoInstruction(nn.Module):
    """Reads tokens (U, L) int64 and returns zeros (U, size) float32, whatever was said."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode nothing."""
        return torch.zeros(len(tokens), self.size, device=tokens.device)


class LanguageEncoder(nn.Module):
    """Reads tokens (U, L) int64, 0 for padding, and returns (U, size) float32."""

    def __init__(self, config: LanguageConfig, vocabulary_size: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary_size, config.size, padding_idx=PAD_TOKEN)
        self.places = nn.Embedding(config.max_tokens, config.size)
        nn.init.normal_(self.places.weight, std=0.1)
        layer = nn.TransformerEncoderLayer(
            config.size, config.heads, 2 * config.size, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode the sentences."""
        padding = tokens == PAD_TOKEN
        places = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.layers(self.words(tokens) + self.places(places), src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1)
        return self.norm((words * kept).sum(1) / kept.sum(1))
