from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import ClassVar

import numpy as np
import pytest
import torch
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer
from teamvla_learn.train.data_parallel import Processes, ShardedGradient


@pytest.fixture
def make_gradient(demos):
    """Makes what computes gradient and loss of one batch with so many shards and threads."""
    train, _, source = load_demos(demos, with_pixels=True)
    tokenizer = build_tokenizer((train,))
    assembler = BatchAssembler(train, tokenizer, 1, 32)

    def make(shards, threads, processes=None):
        policy = build_policy("vla", TrainingData(train, source, tokenizer), seed=0)
        autocast = partial(torch.autocast, "cpu", enabled=False)
        sharded = ShardedGradient(policy, shards, threads, autocast, processes)

        def compute():
            for _ in range(2):  # the second call must not add to the gradient of the first
                terms = sharded(np.arange(10), lambda number, indices: assembler.batch(indices))
            return [parameter.grad for parameter in policy.parameters()], terms

        return compute

    return make


@pytest.mark.parametrize("shards", [2, 3])
def test_parts_add_up_to_the_gradient_of_the_whole_batch(make_gradient, shards):
    (whole, terms), (parts, part_terms) = make_gradient(1, 1)(), make_gradient(shards, 2)()
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert {name: float(term) for name, term in part_terms.items()} == pytest.approx(
        {name: float(term) for name, term in terms.items()}, rel=1e-5
    )


def test_the_number_of_threads_does_not_change_a_bit(make_gradient):
    (one, terms), (many, more_terms) = make_gradient(3, 1)(), make_gradient(3, 3)()
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))
    assert terms == more_terms


class Neighbor(Processes):
    """One of two processes that are threads of this one."""

    meeting = Barrier(2)
    desk: ClassVar[dict[int, torch.Tensor]] = {}

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        self.desk[self.rank] = tensor
        self.meeting.wait(timeout=60)
        everyone = torch.cat([self.desk[0], self.desk[1]])
        self.meeting.wait(timeout=60)
        return everyone


def test_processes_that_share_the_parts_do_not_change_a_bit(make_gradient):
    alone = make_gradient(4, 2)()
    neighbors = [make_gradient(4, 1, Neighbor(rank, 2)) for rank in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for gradients, terms in pool.map(lambda compute: compute(), neighbors):
            assert all(torch.equal(a, b) for a, b in zip(alone[0], gradients, strict=True))
            assert terms == alone[1]
