"""The whole way with the real environment: collect, read, replay, render."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from teamvla_envs import cli
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.env.vector import TeamVectorEnv

EPISODES = 3


@pytest.fixture(scope="module")
def lift_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three episodes of Lift without images."""
    out = tmp_path_factory.mktemp("demos") / "lift.hdf5"
    collect(CollectConfig(CollectionSettings("lift", cameras=()), EPISODES, out, num_envs=EPISODES))
    return out


def test_the_named_parts_add_up_to_the_observations(lift_file: Path):
    with open_demos(lift_file) as file:
        num_arms = file.env_kwargs["num_arms"]
        for demo in file:
            sizes = {name: sum(length for _, length in file.parts(name)) for name in ("action", "agent_pos")}
            assert demo.actions.shape == (demo.num_samples, num_arms * sizes["action"])
            assert demo.obs("agent_pos").shape == (demo.num_samples, num_arms * sizes["agent_pos"])
            state_size = sum(length for _, length in file.parts("environment_state"))
            assert demo.obs("environment_state").shape == (demo.num_samples, state_size)


def test_the_file_replays_bit_for_bit_with_another_number_of_worlds(
    lift_file: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["replay", str(lift_file), "--verify", "--num-envs", "2"]) == 0
    assert f"{EPISODES} of {EPISODES} demos bit-exact" in capsys.readouterr().out


def test_the_file_is_the_same_when_one_world_collects_it(lift_file: Path, tmp_path: Path):
    collect(CollectConfig(CollectionSettings("lift", cameras=()), EPISODES, tmp_path / "lift.hdf5", num_envs=1))
    assert (tmp_path / "lift.hdf5").read_bytes() == lift_file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jump"], "task"),
        (["lift", "--cameras", "back"], "cameras"),
        (["lift", "--num-arms", "9"], "num_arms"),
        (["lift", "--image-size", "1"], "image_size"),
    ],
)
def test_what_the_environment_refuses_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    assert cli.main(["collect", *arguments, "--out", str(tmp_path / "new" / "a.hdf5")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_images_are_recorded_and_states_can_be_rendered_larger(tmp_path: Path):
    out, video = tmp_path / "lift.hdf5", tmp_path / "lift.mp4"
    settings = CollectionSettings("lift", cameras=("front", "wrist_1"), image_size=32)
    collect(CollectConfig(settings, episodes=1, out=out))
    assert cli.main(["render", str(out), "--out", str(video), "--size", "96", "--cameras", "front", "wrist_1"]) == 0
    with open_demos(out) as file:
        demo = file.demo("demo_0")
        small = demo.obs("pixels/front")
        shown = iio.imread(video)
        assert shown.shape == (demo.num_samples + 1, 96, 192, 3)
        shrunk = shown[:-1, :, :96].reshape(len(small), 32, 3, 32, 3, 3).mean(axis=(2, 4))
        assert np.abs(shrunk - small).mean() < 8


@pytest.mark.slow
def test_a_killed_collection_goes_on_and_ends_as_if_nothing_had_happened(tmp_path: Path):
    whole, out = tmp_path / "whole.hdf5", tmp_path / "lift.hdf5"
    settings = CollectionSettings("lift", cameras=())
    collect(CollectConfig(settings, 12, whole))
    command = ["collect", "lift", "--episodes", "12", "--no-images", "--num-envs", "2", "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-c", "from teamvla_envs.cli import main; main()", *command])
    parts = tmp_path / "lift.hdf5.parts"
    while len(list(parts.glob("seed_*"))) < 4:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    collect(CollectConfig(settings, 12, out))
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["lift", "handoff", "drawer"])
def test_the_file_is_the_same_whichever_processor_the_matrix_library_takes_this_for(tmp_path: Path, task: str):
    files = [tmp_path / f"{processor}.hdf5" for processor in ("Sandybridge", "Haswell", "SkylakeX")]
    for out in files:  # newer ones fuse multiplication and addition, or take more numbers at once
        command = ["collect", task, "--episodes", "4", "--no-images", "--out", str(out)]
        subprocess.run(
            [sys.executable, "-c", "from teamvla_envs.cli import main; raise SystemExit(main())", *command],
            env=os.environ | {"OPENBLAS_CORETYPE": out.stem},
            check=True,
        )
    assert len({out.read_bytes() for out in files}) == 1


def test_an_episode_that_becomes_unstable_is_a_failure_and_no_other_changes(
    lift_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    step = TeamVectorEnv.step

    def push_seed_1(env: TeamVectorEnv, actions: np.ndarray) -> Any:
        state = env.get_state()
        for world in np.flatnonzero((state["seed"] == 1) & (state["steps"] == 20) & (state["end"] == 0)).tolist():
            env.push(world, "bar", [1e12, 0, 0])
        return step(env, actions)

    monkeypatch.setattr(TeamVectorEnv, "step", push_seed_1)
    out = tmp_path / "lift.hdf5"
    collect(CollectConfig(CollectionSettings("lift", cameras=()), EPISODES, out, num_envs=EPISODES))
    with open_demos(out) as file, open_demos(lift_file) as undisturbed:
        assert file.collection["failed_seeds"] == [1]
        assert [demo.seed for demo in file] == [0, 2, 3]
        for mine, same in (
            (file.demo("demo_0"), undisturbed.demo("demo_0")),
            (file.demo("demo_1"), undisturbed.demo("demo_2")),
        ):
            assert mine.content_hash == same.content_hash
