"""Every hostile file of ``benchmarks/reliability`` is rejected in one line, within seconds."""

import importlib
import shutil
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.policies.checkpoint import save_checkpoint
from teamvla_learn.policies.training_data import TrainingData
from teamvla_learn.train.build import build_policy, build_tokenizer, describe
from teamvla_learn.train.config import Budget, TrainConfig

from tests.learn.episodes import write_demos

RELIABILITY = Path(__file__).parents[2] / "benchmarks" / "reliability"
sys.path.append(str(RELIABILITY))
hostile_demos, hostile_policies, mutated_files = map(
    importlib.import_module, ("hostile_demos", "hostile_policies", "mutated_files")
)

SECONDS = 20  # of the processor


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A demonstration file, and a checkpoint of a policy that was made for it."""
    folder = tmp_path_factory.mktemp("originals")
    demos = write_demos(folder / "demos.hdf5", 4)
    train, _, source = load_demos(demos, with_pixels=True)
    tokenizer = build_tokenizer((train,))
    policy = build_policy("vla", TrainingData(train, source, tokenizer), seed=0).eval()
    (folder / "policy").mkdir()
    save_checkpoint(folder / "policy", policy, describe(policy, tokenizer, source, TrainConfig(Budget(steps=1))))
    return demos, folder / "policy"


@pytest.mark.parametrize("name", hostile_demos.MUTATIONS)
def test_a_hostile_demonstration_file_is_rejected_in_one_line(originals, tmp_path: Path, name: str):
    path = tmp_path / "hostile.hdf5"
    shutil.copy(originals[0], path)
    hostile_demos.apply(name, path)
    _assert_rejected(mutated_files.read_demos, path)


@pytest.mark.parametrize("name", hostile_policies.MUTATIONS)
def test_a_hostile_checkpoint_is_rejected_in_one_line(originals, tmp_path: Path, name: str):
    path = tmp_path / "hostile"
    shutil.copytree(originals[1], path)
    hostile_policies.apply(name, path)
    _assert_rejected(mutated_files.read_checkpoint, path)


def test_a_crash_a_hang_and_another_content_do_not_hold(originals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mutated_files, "SECONDS", 4.0)
    path = tmp_path / "file"
    assert mutated_files.judge(lambda path: "same", path, "same") is None
    assert mutated_files.judge(lambda path: "other", path, "same") == "reads with another content"
    assert mutated_files.judge(lambda path: str(Event().wait(60)), path, "") == "takes longer than 4 s"
    assert "raises UnicodeDecodeError" in str(mutated_files.judge(lambda path: b"\xff".decode(), path, ""))


def _assert_rejected(read: Any, path: Path) -> None:
    begun = time.process_time()
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1500
    assert "this code ran" not in str(error.value)
    assert time.process_time() - begun < SECONDS
