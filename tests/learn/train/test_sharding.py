import numpy as np
import pytest
import torch
from teamvla_learn.data.assemble import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.train.build import build_policy, build_tokenizer
from teamvla_learn.train.sharding import ShardedGradient


@pytest.fixture
def gradient(demos):
    """Computes gradient and loss of one batch with so many shards and threads."""
    train, _, source = load_demos(demos, with_pixels=True)
    tokenizer = build_tokenizer((train,))
    assembler = BatchAssembler(train, tokenizer, 1, 32)

    def compute(shards, threads):
        policy = build_policy("vla", train, source, tokenizer, None, chunk_length=1, seed=0)
        sharded = ShardedGradient(policy, shards, threads, lambda: torch.autocast("cpu", enabled=False))
        for _ in range(2):  # the second call must not add to the gradient of the first
            terms = sharded(np.arange(10), lambda number, indices: assembler.batch(indices))
        return [parameter.grad for parameter in policy.parameters()], terms

    return compute


@pytest.mark.parametrize("shards", [2, 3])
def test_parts_add_up_to_the_gradient_of_the_whole_batch(gradient, shards):
    (whole, terms), (parts, part_terms) = gradient(1, 1), gradient(shards, 2)
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert {name: float(term) for name, term in part_terms.items()} == pytest.approx(
        {name: float(term) for name, term in terms.items()}, rel=1e-5
    )


def test_the_number_of_threads_does_not_change_a_bit(gradient):
    (one, terms), (many, more_terms) = gradient(3, 1), gradient(3, 3)
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))
    assert terms == more_terms
