from dataclasses import replace

import numpy as np
from teamvla_learn.data.augment import Augmentation
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.image_store import ImageStore
from teamvla_learn.encoders.tokenizer import WordTokenizer
from teamvla_learn.train.build import build_tokenizer


def test_each_different_sentence_of_a_batch_is_there_once(demos):
    train, _, _ = load_demos(demos, with_pixels=True)
    tokenizer = build_tokenizer((train,))
    indices = np.array([0, 29, 7, 1])
    seen = BatchAssembler(train, tokenizer, chunk_length=2, max_tokens=32).batch(indices).input
    instructions = [train.sentences[train.demo[i]][0] for i in indices]
    assert seen.tokens is not None
    assert np.array_equal(seen.tokens[seen.instruction], tokenizer.encode(instructions, 32))
    assert len(seen.tokens) == len(set(instructions))


def test_with_a_generator_every_true_sentence_is_drawn(demos):
    train, _, _ = load_demos(demos, with_pixels=True)
    true = tuple((*sentences, "the green one, please", "there") for sentences in train.sentences)
    tokenizer = WordTokenizer.from_sentences(sentence for sentences in true for sentence in sentences)
    assembler = BatchAssembler(replace(train, sentences=true), tokenizer, chunk_length=1, max_tokens=32)

    def drawn(seed):
        seen = assembler.batch(np.zeros(100, dtype=int), np.random.default_rng(seed)).input
        assert seen.tokens is not None
        return seen.tokens[seen.instruction].tolist()

    assert drawn(0) == drawn(0) != drawn(1)
    assert {tuple(tokens) for tokens in drawn(0)} == {tuple(row) for row in tokenizer.encode(true[0], 32).tolist()}


def test_a_sweep_covers_the_dataset_evenly(demos):
    train, _, _ = load_demos(demos, with_pixels=False)
    assembler = BatchAssembler(train, None, chunk_length=1, max_tokens=32)
    sizes = [len(batch.actions) for batch in assembler.sweep(batch_size=4, limit=10)]
    assert sizes == [4, 4, 2]


def test_keypoints_move_with_the_images(demos):
    train, *_ = load_demos(demos, with_pixels=True)
    images = np.zeros((len(train), 20, 40, 3), np.uint8)
    images[:, 8, 30] = 255
    keypoints = np.tile(np.array([30.5 / 40, 8.5 / 20], np.float32), (len(train), 3, 1))
    data = replace(train, pixels={"front": ImageStore([images])}, keypoints={"front": keypoints})
    assembler = BatchAssembler(data, None, 1, 32, Augmentation(shift=3))
    batch = assembler.batch(np.arange(len(data)), np.random.default_rng(0))
    _, rows, columns, _ = np.nonzero(batch.input.pixels["front"].numpy()[..., :1])
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) > 5
    found = np.stack([(columns + 0.5) / 40, (rows + 0.5) / 20], axis=1)
    np.testing.assert_allclose(batch.keypoints["front"][:, 0].numpy(), found, atol=1e-6)
