import torch
from teamvla_learn.encoders.factory import make_language
from teamvla_learn.encoders.language import LanguageConfig, LanguageEncoder


def test_padding_does_not_change_a_sentence():
    torch.manual_seed(0)
    encoder = LanguageEncoder(LanguageConfig(size=16), vocabulary_size=10)
    short = torch.tensor([[3, 4, 5]])
    padded = torch.tensor([[3, 4, 5, 0, 0], [9, 8, 7, 6, 5]])
    assert torch.allclose(encoder(short)[0], encoder(padded)[0], atol=1e-6)


def test_a_network_without_language_cannot_tell_sentences_apart():
    encoder = make_language(LanguageConfig("none", size=16), vocabulary_size=10)
    one, other = encoder(torch.tensor([[3, 4, 5], [6, 7, 8]]))
    assert one.shape == (16,)
    assert torch.equal(one, other)


def test_the_order_of_words_matters():
    torch.manual_seed(0)
    encoder = LanguageEncoder(LanguageConfig(size=16), vocabulary_size=10)
    one, other = encoder(torch.tensor([[3, 4, 5], [5, 4, 3]]))
    assert not torch.allclose(one, other, atol=1e-3)
