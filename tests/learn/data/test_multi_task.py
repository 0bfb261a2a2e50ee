from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from teamvla_envs.errors import UserError
from teamvla_learn.data.collate import BatchAssembler
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.loader import make_dataloader
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer

from tests.learn.episodes import write_demos

LIFT_PARTS = [("object_pos", 3), ("goal_pos", 3)]
OTHER_PARTS = [("handle_pos", 3), ("goal_pos", 3)]


@pytest.fixture
def two_tasks(tmp_path: Path) -> tuple[Path, Path]:
    """Files of two tasks: twelve demonstrations of lift, four of handoff, whose privileged states differ."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return (
        write_demos(tmp_path / "a" / "lift.hdf5", 12),
        write_demos(tmp_path / "b" / "handoff.hdf5", 4, task="handoff", state_parts=OTHER_PARTS),
    )


def test_samples_of_several_files_follow_each_other(two_tasks):
    train, valid, source = load_demos(two_tasks, with_pixels=True)
    one, _, _ = load_demos(two_tasks[0], with_pixels=True)
    other, _, _ = load_demos(two_tasks[1], with_pixels=True)
    rows = np.array([3, len(one) + 2, 0, len(one) + len(other) - 1])
    assert len(train) == len(one) + len(other)
    for camera, images in train.pixels.items():
        for row, image in zip(rows, images[rows], strict=True):
            file, inside = (one, row) if row < len(one) else (other, row - len(one))
            assert np.array_equal(image, file.pixels[camera][np.array([inside])][0])
    assert np.array_equal(train.expert_actions[len(one) :], other.expert_actions)
    assert train.sentences == one.sentences + other.sentences
    assert train.ends[-1] == len(train)
    assert np.bincount(train.file).tolist() == np.bincount(train.task).tolist() == [len(one), len(other)]
    assert (train.tasks, source.tasks) == (("lift", "handoff"), ("lift", "handoff"))
    assert source.demos == 16
    assert train.environment_state.shape == (len(train), 0)
    assert len(valid)


def test_a_part_that_a_task_lacks_is_invalid_there(two_tasks):
    train, _, source = load_demos(two_tasks, with_pixels=True)
    assert source.targets == train.parts == {"object_pos": 3, "goal_pos": 3, "handle_pos": 3}
    batch = BatchAssembler(train, None, 1, 32).batch(np.array([0, len(train) - 1]))
    assert {name: known.tolist() for name, known in batch.auxiliary_valid.items()} == {
        "object_pos": [True, False],
        "goal_pos": [True, True],
        "handle_pos": [False, True],
    }
    assert not batch.auxiliary["object_pos"][1].any()


def test_one_policy_learns_both(two_tasks):
    train, valid, source = load_demos(two_tasks, with_pixels=True)
    tokenizer = build_tokenizer((train, valid))
    policy = build_policy("vla", TrainingData(train, source, tokenizer), seed=0)
    assert set(policy.normalization.auxiliary) == {"object_pos", "goal_pos"}
    terms = policy.losses(BatchAssembler(train, tokenizer, 1, 32).batch(np.arange(0, len(train), 7)))
    assert all(torch.isfinite(term.value) for term in terms.values())
    with pytest.raises(UserError, match="privileged states of lift, handoff differ"):
        build_policy("state", TrainingData(train, source, None), seed=0)


def test_tasks_are_sampled_evenly(two_tasks):
    train, _, _ = load_demos(two_tasks, with_pixels=True)
    assembler = BatchAssembler(train, None, 1, 32)
    known = [batch.auxiliary_valid["object_pos"] for batch in make_dataloader(assembler, 8, range(6))]
    assert Counter(torch.cat(known).tolist()) == {True: 24, False: 24}


def test_batches_depend_neither_on_workers_nor_on_where_a_loop_began(two_tasks):
    train, _, _ = load_demos(two_tasks, with_pixels=True)
    assembler = BatchAssembler(train, build_tokenizer((train,)), 2, 32)

    def batches(begin: int, workers: int) -> list[torch.Tensor]:
        loader = make_dataloader(assembler, 4, range(begin, 6), seed=3, num_workers=workers)
        return [batch.input.pixels["front"].sum() + batch.actions.sum() for batch in loader]

    assert batches(0, 0) == batches(0, 2)
    assert batches(0, 0)[4:] == batches(4, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env_kwargs": {"action_mode": "ee_delta"}}, r"b.hdf5 has action_mode ee_delta, .*a.hdf5 has joint_delta"),
        ({"env_kwargs": {"robot": "xarm7"}}, "has robot xarm7, xarm7, .* has panda, panda"),
        ({"cameras": ("front",)}, "has cameras front, .* has front, wrist_0, wrist_1"),
        ({"size": 16}, r"has image sizes front \(16, 16\)"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path: Path, change, message):
    files = write_demos(tmp_path / "a.hdf5", 2), write_demos(tmp_path / "b.hdf5", 2, first=10, **change)
    with pytest.raises(UserError, match=message):
        load_demos(files, with_pixels=True)


def test_one_robot_for_all_arms_is_one_name_per_arm(tmp_path: Path, make_demos: Callable[..., Path]):
    same = write_demos(tmp_path / "b.hdf5", 2, env_kwargs={"robot": ["panda", "panda"]}, first=10)
    assert load_demos((make_demos(), same), with_pixels=True)[2].demos == 8
