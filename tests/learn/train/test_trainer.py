from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from teamvla_learn.data.batch import Batch
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.policies.losses import weighted_sum
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer
from teamvla_learn.train.config import Budget, TrainConfig
from teamvla_learn.train.trainer import LogRow, Trainer


def make_trainer(demos: Path, kind: str = "vla", chunk_length: int = 1, **config: Any) -> Trainer:
    train, valid, source = load_demos(demos, with_pixels=kind != "state")
    tokenizer = build_tokenizer((train, valid)) if kind != "state" else None
    policy = build_policy(kind, TrainingData(train, source, tokenizer, chunk_length), seed=0)
    training, validation = (BatchAssembler(data, tokenizer, chunk_length, 32) for data in (train, valid))
    defaults = TrainConfig(Budget(steps=100), batch_size=8, learning_rate=3e-3, warmup_steps=5, precision="float32")
    return Trainer(policy, training, validation, replace(defaults, **config))


def run(trainer: Trainer) -> list[LogRow]:
    rows: list[LogRow] = []
    trainer.run(lambda: False, rows.append)
    return rows


@pytest.mark.parametrize(("kind", "chunk_length"), [("vla", 1), ("state", 1), ("state", 3)])
def test_a_few_demonstrations_are_learned_by_heart(demos, kind, chunk_length):
    rows = run(make_trainer(demos, kind, chunk_length, budget=Budget(steps=200), log_every=20))
    assert rows[-1]["train"]["joints"] < 0.5 * rows[0]["train"]["joints"]


def test_bfloat16_convolutions_learn_too(demos):
    rows = run(make_trainer(demos, precision="bfloat16", budget=Budget(steps=200), log_every=20))
    assert rows[-1]["train"]["joints"] < 0.5 * rows[0]["train"]["joints"]


def test_every_term_is_logged_by_name(demos):
    rows = run(make_trainer(demos, budget=Budget(steps=5), log_every=2, validate_every=4))
    assert [row["step"] for row in rows] == [2, 4, 5]
    terms = {"total", "joints", "gripper", "pointing", "object_pos", "goal_pos"}
    assert set(rows[0]["train"]) == terms
    assert set(rows[1]["valid"]) == set(rows[-1]["valid"]) == terms
    assert "valid" not in rows[0]
    assert {"time_s", "lr", "samples_per_s"} <= set(rows[0])


def test_training_begins_with_openings_which_come_more_often_later_on(demos, monkeypatch):
    trainer = make_trainer(demos, batch_size=24, opening_steps=2, opening_weight=4, openings_first=3)
    drawn: list[np.ndarray] = []
    batch = BatchAssembler.batch

    def record(assembler: BatchAssembler, indices: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        drawn.append(indices)
        return batch(assembler, indices, rng)

    monkeypatch.setattr(BatchAssembler, "batch", record)
    for _ in range(9):
        trainer.train_step()
    data = load_demos(demos, with_pixels=True)[0]
    shares = [(indices - data.begins[indices] < 2).mean() for indices in drawn]
    assert np.mean(shares[:6]) == 1.0  # two shards of each of three batches
    assert np.mean(shares[6:]) == pytest.approx(2 * 4 / (2 * 4 + 4), abs=0.1)  # demonstrations have six steps


def test_the_same_seed_gives_the_same_weights(demos):
    one, other, different = (make_trainer(demos, budget=Budget(steps=4), seed=seed) for seed in (0, 0, 1))
    for trainer in (one, other, different):
        run(trainer)
    weights = [trainer.policy.state_dict()["trunk.0.weight"] for trainer in (one, other, different)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_budget_of_minutes_ends_on_time_and_annealed(demos):
    rows = run(make_trainer(demos, budget=Budget(minutes=1 / 60), log_every=5))
    assert rows[-1]["time_s"] < 3
    assert rows[-1]["lr"] == pytest.approx(0.02 * 3e-3, rel=0.2)


def test_the_average_is_what_is_validated(demos):
    trainer = make_trainer(demos)
    before = trainer.validate()
    with torch.no_grad():
        trainer.policy.state_dict()["trunk.0.weight"].zero_()
    assert trainer.validate() == before
    trainer.train_step()
    assert not np.array_equal(list(trainer.validate().values()), list(before.values()))


@pytest.mark.parametrize("kind", ["vla", "msg", "state"])
def test_a_step_neither_computes_on_the_host_nor_waits_for_a_number(demos, monkeypatch, kind):
    """Tensors of the device ``meta`` have no numbers, and what mixes them with the host's is an error."""
    trainer = make_trainer(demos, kind)
    generator = torch.Generator()  # generators and autocast do not know the device
    monkeypatch.setattr(torch, "Generator", lambda device: generator)
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device=None: False)
    policy = trainer.policy.to("meta").eval()  # messages get lost in training alone
    batch = next(trainer._train.sweep(8, 8)).to(torch.device("meta"))
    terms = policy.losses(batch)
    weighted_sum(terms).backward()
    assert {term.value.device.type for term in terms.values()} == {"meta"}
    assert all(parameter.grad is not None for name, parameter in policy.named_parameters())
