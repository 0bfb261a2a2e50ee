"""Collecting in a Ray cluster, with the real environment: its processes know no other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from teamvla_envs.cluster.engine import ClusterConfig, RayEngine
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.demos.unpacked import PartsFolder
from teamvla_envs.demos.writer import Episode

CLUMSY = CollectionSettings("lift", cameras=(), slips=8.0)  # so that some seeds fail
EPISODES = 9


def test_the_file_is_the_same_byte_for_byte_though_the_workers_are_killed(
    tmp_path: Path, ray_engine: RayEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    collect(CollectConfig(CLUMSY, EPISODES, tmp_path / "local.hdf5"))
    keep, kept = PartsFolder.add, []

    def keep_and_kill(parts: PartsFolder, episode: Episode) -> None:
        keep(parts, episode)
        kept.append(episode.seed)
        if len(kept) == 2:
            for process in _processes("ray::_Process"):
                process.kill()

    monkeypatch.setattr(PartsFolder, "add", keep_and_kill)
    collect(CollectConfig(CLUMSY, EPISODES, tmp_path / "cluster.hdf5", num_envs=2, cluster=ClusterConfig("ray", 2)))
    assert "a Ray worker was lost" in caplog.text
    assert len(kept) == len(set(kept))
    assert (tmp_path / "cluster.hdf5").read_bytes() == (tmp_path / "local.hdf5").read_bytes()
    with open_demos(tmp_path / "cluster.hdf5") as file:
        assert file.collection["failed_seeds"]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path):
    whole, out = tmp_path / "whole.hdf5", tmp_path / "lift.hdf5"
    settings = CollectionSettings("lift", cameras=("front",), image_size=32)
    collect(CollectConfig(settings, 12, whole))
    words = "collect lift --episodes 12 --cameras front --image-size 32 --num-envs 1 --engine ray --workers 2 --out"
    run = "import sys; from teamvla_envs.cli import main; sys.exit(main())"
    program = [sys.executable, "-c", run, *words.split(), str(out)]
    process = subprocess.Popen(program, start_new_session=True, stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "lift.hdf5.parts"
    while len(list(parts.glob("seed_*"))) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "finished episodes are kept in" in told.splitlines()[-1]
    assert "Traceback" not in told
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert not out.exists()
    assert subprocess.run(program, check=False).returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def _processes(title: str) -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if " ".join(child.cmdline()).startswith(title)]
