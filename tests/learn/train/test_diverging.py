"""Trainings that diverge, and sentences that would be cut."""

import pytest
import torch
from teamvla_envs.errors import UserError
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.single_brain import SingleBrainOptions
from teamvla_learn.train.trainer import Trainer

from tests.learn.train.jobs import train


def test_a_training_that_ends_without_finite_weights_fails_and_keeps_the_last_finite_ones(demos, tmp_path, monkeypatch):
    train_step = Trainer.train_step

    def spoil(self):
        terms = train_step(self)
        if self.step == 3:  # after the last loss was computed
            with torch.no_grad():
                next(self.policy.parameters()).fill_(torch.nan)
        return terms

    monkeypatch.setattr(Trainer, "train_step", spoil)
    with pytest.raises(UserError, match=r"diverged by step 3: the weights \S+ are not finite; .* use a smaller lr"):
        train(demos, tmp_path / "x", steps=3, batch_size=4)
    assert all(tensor.isfinite().all() for tensor in load_checkpoint(tmp_path / "x").policy.state_dict().values())


def test_a_loss_that_is_infinite_stops_a_training(demos, tmp_path, monkeypatch):
    train_step = Trainer.train_step

    def explode(self):
        return {name: value + float("inf") for name, value in train_step(self).items()}

    monkeypatch.setattr(Trainer, "train_step", explode)
    with pytest.raises(UserError, match="the loss is inf"):
        train(demos, tmp_path / "x", steps=2, batch_size=4, log_every=1, validate_every=1)


def test_an_instruction_that_would_be_cut_is_refused(demos, tmp_path):
    options = SingleBrainOptions(language=LanguageConfig(max_tokens=3))
    with pytest.raises(
        UserError, match=r"the instruction '.*' has \d+ tokens, but the instruction encoder reads 3: set"
    ):
        train(demos, tmp_path / "x", steps=1, batch_size=4, model=options)
    assert not (tmp_path / "x").exists()
