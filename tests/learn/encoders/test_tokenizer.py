import pytest
from teamvla_learn.encoders.tokenizer import UNKNOWN_TOKEN, WordTokenizer

TOKENIZER = WordTokenizer.from_sentences(["Put the bar on the green stand.", "hold it up"])


def test_case_and_punctuation_do_not_matter():
    plain, shouted = TOKENIZER.encode(["hold it up", "Hold it,   UP!"], max_tokens=8)
    assert plain.tolist() == shouted.tolist()


def test_shorter_sentences_are_padded_with_zeros():
    tokens = TOKENIZER.encode(["hold it up", "put the bar on the green stand"], max_tokens=32)
    assert tokens.shape == (2, 7)
    assert tokens[0, 3:].tolist() == [0] * 4
    assert (tokens[1] > 0).all()


def test_new_words_are_unknown_and_so_is_a_sentence_without_words():
    assert TOKENIZER.encode(["hold Überzug", "?!"], max_tokens=8).tolist()[1] == [UNKNOWN_TOKEN, 0]
    assert TOKENIZER.encode(["Überzug"], max_tokens=8).tolist() == [[UNKNOWN_TOKEN]]


def test_long_sentences_are_cut():
    assert TOKENIZER.encode(["hold " * 100], max_tokens=8).shape == (1, 8)


def test_the_vocabulary_does_not_depend_on_the_order_of_sentences():
    again = WordTokenizer.from_sentences(["hold it up", "Put the bar on the green stand."])
    assert again.vocabulary == TOKENIZER.vocabulary


def test_a_vocabulary_without_padding_is_refused():
    with pytest.raises(ValueError, match="<pad>"):
        WordTokenizer(["hold", "it"])
