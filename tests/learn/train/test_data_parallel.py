"""Several processes train as one does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from teamvla_envs.errors import UserError
from teamvla_learn.train.data_parallel import Processes, ShardedGradient, join_processes
from teamvla_learn.train.logging import read_log

from tests.learn.train.jobs import train


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_and_the_weights_of_one(demos, tmp_path):
    arguments = ["--policy", "state", "--steps", "6", "--batch-size", "8", "--shards", "2", "--train.log-every", "2"]
    run_torchrun(demos, tmp_path / "two", arguments)
    train(demos, tmp_path / "one", policy="state", steps=6, batch_size=8, shards=2, log_every=2)
    curves = [[row["train"] for row in read_log(tmp_path / name)] for name in ("one", "two")]
    assert len(curves[0]) == 3
    assert curves[0] == curves[1]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def run_torchrun(demos: Path, out: Path, arguments: list[str]) -> None:
    program = "import sys; from teamvla_envs.cli import main; sys.exit(main(sys.argv[1:]))"
    script = out.with_suffix(".py")
    script.write_text(program)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    command = [*torchrun, "train", str(demos), "--out", str(out), "--no-cache", "--no-tensorboard", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr


def test_one_process_has_nobody_to_talk_to():
    with join_processes("cpu") as processes:
        assert processes == Processes(rank=0, size=1)
        assert processes.leads
        assert processes.broadcast(3.0, True) == (3.0, True)
        assert torch.equal(processes.gather(torch.arange(3)), torch.arange(3))
        processes.wait()


def test_parts_are_shared_evenly_or_not_at_all():
    policy: Any = torch.nn.Linear(2, 2)
    with pytest.raises(UserError, match="shards is 3, expected a multiple of the 2 processes"):
        ShardedGradient(policy, 3, 1, lambda: torch.autocast("cpu", enabled=False), Processes(0, 2))


def test_a_strange_number_of_processes_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(UserError, match="WORLD_SIZE is 'many'"), join_processes("cpu"):
        pass
