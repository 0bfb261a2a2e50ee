import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown
from teamvla_envs.policies import Policy, make_policy
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.policies.checkpoint import save_checkpoint
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer, describe
from teamvla_learn.train.config import Budget, TrainConfig

from tests.learn.episodes import CAMERAS, ENV_KWARGS, SIZE, STATE_PARTS, make_episode
from tests.learn.worlds import Worlds, state_worlds, vision_space

LEARNING = Path(__file__).parents[3] / "docs" / "learning.md"


@pytest.fixture
def policy(demos, tmp_path) -> Policy:
    train, _, source = load_demos(demos, with_pixels=True)
    tokenizer = build_tokenizer((train,))
    network = build_policy("vla", TrainingData(train, source, tokenizer), seed=0)
    folder = tmp_path / "run"
    folder.mkdir()
    save_checkpoint(folder, network, describe(network, tokenizer, source, TrainConfig(Budget(steps=1))))
    return make_policy(str(folder))


def observe(*seeds: int) -> dict[str, Any]:
    """The first observation of some episodes, as the vector environment returns it."""
    episodes = [make_episode(seed) for seed in seeds]
    return {
        "pixels": {camera: np.stack([e.arrays[f"obs/pixels/{camera}"][0] for e in episodes]) for camera in CAMERAS},
        "agent_pos": np.stack([e.arrays["obs/agent_pos"][0] for e in episodes]),
        "instruction": tuple(e.instruction for e in episodes),
    }


def test_a_checkpoint_folder_is_a_policy(policy):
    assert isinstance(policy, Policy)
    assert policy.env_kwargs == {
        "num_arms": 2,
        "robot": "panda",
        "action_mode": "joint_delta",
        "obs_mode": "vision",
        "cameras": list(CAMERAS),
        "image_size": SIZE,
    }


def test_it_acts_for_every_world(policy):
    policy.bind(Worlds())
    policy.reset(np.ones(5, dtype=bool))
    actions = policy.act(observe(0, 1, 2, 3, 4))
    assert (actions.shape, actions.dtype) == ((5, 16), np.float32)
    assert np.abs(actions).max() <= 1
    assert set(np.abs(actions[:, [7, 15]]).ravel()) == {1.0}


def test_another_task_is_allowed_with_a_warning(policy, caplog):
    policy.bind(Worlds())
    assert not caplog.records
    policy.bind(Worlds(ENV_KWARGS | {"obs_mode": "vision", "task": "drawer"}))
    policy.bind(Worlds(ENV_KWARGS | {"obs_mode": "vision", "task": "drawer"}))
    assert caplog.messages == ["the policy was trained on lift, not on drawer"]  # once


def test_what_one_world_does_is_independent_of_the_others(policy):
    policy.bind(Worlds(num_envs=3))
    together = policy.act(observe(0, 1, 2))
    policy.bind(Worlds(num_envs=1))
    alone = np.concatenate([policy.act(observe(seed)) for seed in (0, 1, 2)])
    assert together == pytest.approx(alone, abs=1e-5)


def test_it_acts_only_when_it_is_bound(policy):
    with pytest.raises(RuntimeError, match="CheckpointPolicy is not bound: call bind"):
        policy.act(observe(0))
    with pytest.raises(RuntimeError, match="CheckpointPolicy is not bound: call bind"):
        policy.reset(np.ones(1, bool))


def test_an_observation_of_other_worlds_is_refused(policy):
    policy.bind(Worlds(num_envs=2))
    with pytest.raises(UserError, match=r"agent_pos has shape \(3, 20\), expected a row for each of 2 worlds"):
        policy.act(observe(0, 1, 2))


class SingleWorld(gym.Env):
    """One world as ``gymnasium.make`` returns it."""

    def __init__(self, worlds: Worlds):
        self.vector = worlds


def test_bound_to_a_single_environment_it_does_what_it_does_in_a_batch_of_one(policy):
    policy.bind(Worlds(num_envs=1))
    batched = policy.act(observe(3))
    policy.bind(gym.wrappers.TimeLimit(SingleWorld(Worlds(num_envs=1)), 5))
    policy.reset(np.ones(1, bool))
    obs = observe(3)
    single = policy.act({
        "pixels": {camera: images[0] for camera, images in obs["pixels"].items()},
        "agent_pos": obs["agent_pos"][0],
        "instruction": obs["instruction"][0],
    })  # fmt: skip
    assert single.shape == (16,)
    assert single.tolist() == batched[0].tolist()


def test_a_single_environment_that_does_not_fit_is_refused(policy):
    with pytest.raises(UserError, match=r"image_size=\(128, 128\), the policy needs 32"):
        policy.bind(gym.wrappers.TimeLimit(SingleWorld(Worlds(image_size=(128, 128))), 5))


def test_an_environment_of_another_project_is_refused(policy):
    with pytest.raises(UserError, match="env is a TimeLimit, expected a TeamVLA environment"):
        policy.bind(gym.make("MountainCar-v0"))


def state_policy(demos: Path, folder: Path, parts: PartLayout | None = None) -> Policy:
    """A state policy as a checkpoint, optionally one that recorded other parts."""
    train, _, source = load_demos(demos, with_pixels=False)
    network = build_policy("state", TrainingData(train, source, None), seed=0)
    if parts is not None:
        network.config = replace(network.config, parts=parts)
    folder.mkdir()
    save_checkpoint(folder, network, describe(network, None, source, TrainConfig(Budget(steps=1))))
    return make_policy(str(folder))


def test_a_state_policy_takes_a_state_of_the_parts_it_was_trained_with(demos, tmp_path):
    state_policy(demos, tmp_path / "run").bind(cast("Any", state_worlds()))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (PartLayout(()), "trained with teamvla-learn 0.1, .* opposite sign: train it again"),
        (PartLayout((("object_pos", 3), ("goal_error", 3))), r"goal_pos \(3\) where .* trained with goal_error \(3\)"),
        (PartLayout(STATE_PARTS[::-1]), "in another order"),
    ],
)
def test_a_state_policy_of_other_parts_is_refused(demos, tmp_path, parts, message):
    worlds: Any = state_worlds()
    with pytest.raises(UserError, match=message):
        state_policy(demos, tmp_path / "run", parts).bind(worlds)


def test_an_instruction_that_is_too_long_is_read_in_part_with_one_warning(policy, caplog):
    policy.bind(Worlds(num_envs=1))
    policy.reset(np.ones(1, dtype=bool))
    long = "Put the bar on the green stand, " * 9
    for _ in range(2):
        assert np.isfinite(policy.act(observe(0) | {"instruction": (long,)})).all()
    assert [record.message for record in caplog.records] == [
        f"the instruction {shown(long)} has 63 tokens, the policy reads only the first 32"
    ]


def test_the_example_of_the_documentation_runs():
    block = re.search(r"```python\n(import gymnasium.*?)```", LEARNING.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    seen: dict[str, Any] = {}
    exec(block[1], seen)
    assert seen["info"]["end_reason"]
    assert seen["policy"].act(seen["obs"]).shape == seen["env"].action_space.shape
    seen["env"].close()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Worlds(ENV_KWARGS | {"obs_mode": "state"}), "obs_mode='state', the policy needs 'vision'"),
        (Worlds(image_size=(128, 128)), r"image_size=\(128, 128\), the policy needs 32"),
        (Worlds(cameras=("front",)), "also needs wrist_0, wrist_1"),
        (Worlds(action_size=7), "takes 14 action entries, the policy predicts 16"),
        (
            Worlds(single_observation_space=vision_space(50)),
            r"agent_pos has shape \(50,\), the policy was trained with \(20,\)",
        ),
        (Worlds(ENV_KWARGS | {"obs_mode": "vision", "num_arms": 3}), "num_arms=3, the policy needs 2"),
        (Worlds(ENV_KWARGS | {"obs_mode": "vision", "looks": "menagerie"}), "looks='menagerie', the policy needs"),
        (Worlds(ENV_KWARGS | {"obs_mode": "vision", "image_channels": ["depth"]}), r"image_channels=\['depth'\]"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(policy, env, message):
    with pytest.raises(ValueError, match=message):
        policy.bind(env)
