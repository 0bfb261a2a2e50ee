import json
from dataclasses import asdict

import pytest
from teamvla_learn.config_io import from_json
from teamvla_learn.policies.action_head import ActionSpace
from teamvla_learn.policies.losses import AuxiliaryTarget
from teamvla_learn.policies.single_brain import SingleBrainConfig

CONFIG = SingleBrainConfig(
    space=ActionSpace(2, 8, (7,)),
    cameras=("front",),
    image_size=(64, 64),
    vocabulary_size=9,
    auxiliary=(AuxiliaryTarget("goal_pos", 3),),
)


def test_a_configuration_survives_json():
    assert from_json(SingleBrainConfig, json.loads(json.dumps(asdict(CONFIG))), "model") == CONFIG


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "model has the unknown name 'colour': allowed are action_weight"),
        ({"image_size": [64]}, r"model.image_size has 1 entries, expected 2"),
        ({"image_size": [64, "64"]}, r"model.image_size\[1\] is '64', expected int"),
        ({"vocabulary_size": True}, "model.vocabulary_size is True, expected int"),
        ({"head": {"kind": "guess"}}, "model.head.kind is 'guess', allowed are 'regression', 'flow'"),
        ({"space": {"num_arms": 2}}, "model.space lacks action_size, gripper_entries"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        from_json(SingleBrainConfig, asdict(CONFIG) | change, "model")
