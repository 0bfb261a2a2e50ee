"""Instruction encoder: word and position embeddings, a small transformer, and mean pooling."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor, nn

from teamvla_learn.encoders.tokenizer import PAD_TOKEN


@dataclass(frozen=True)
class LanguageConfig:
    """Configuration of the instruction encoder.

    Attributes:
        encoder: ``words`` learns embeddings of the words in the demonstrations; ``minilm`` uses the sentence embeddings
            of a frozen language model, which knows other words too; ``none`` ignores the instruction, as an ablation.
        size: Length of the encoded instruction.
        heads: Attention heads per layer.
        layers: Transformer layers.
        max_tokens: Longer instructions are truncated to this number of tokens.
    """

    encoder: Annotated[Literal["words", "minilm", "none"], tyro.conf.arg(aliases=["--language"])] = "words"
    size: int = 64
    heads: int = 4
    layers: int = 1
    max_tokens: int = 32


class NoInstruction(nn.Module):
    """Encoder that ignores the instruction: tokens (U, L) int64 to zeros (U, size) float32."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, tokens: Tensor) -> Tensor:
        """Return zeros (U, size) for tokens (U, L)."""
        return torch.zeros(len(tokens), self.size, device=tokens.device)


class LanguageEncoder(nn.Module):
    """Transformer encoder: tokens (U, L) int64, padded with 0, to vectors (U, size) float32."""

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
        """Encode the instructions (U, L) as vectors (U, size)."""
        padding = tokens == PAD_TOKEN
        places = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.layers(self.words(tokens) + self.places(places), src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1)
        return self.norm((words * kept).sum(1) / kept.sum(1))
