"""Reading demonstration files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from teamvla_envs.demos.reader import DemoFileError, open_demos
from teamvla_envs.errors import UserError

GOLDEN = Path(__file__).parents[2] / "golden"

Damage = Callable[[h5py.File], object]
Change = Callable[[Damage], Path]


def test_a_file_tells_how_to_make_its_environment_and_what_its_arrays_hold(demo_file: Path):
    with open_demos(demo_file) as file:
        assert file.names == ["demo_0", "demo_1", "demo_2", "demo_3"]
        assert file.env_args["env_name"] == "TeamVLA/Lift-v0"
        assert file.env_kwargs["task"] == "lift"
        assert file.parts("action") == [("joint_delta", 2), ("gripper", 1)]
        assert file.cameras == []
        assert file.total == sum(demo.num_samples for demo in file)
        assert sorted(file.split("train") + file.split("valid")) == file.names


def test_a_demo_hands_out_its_arrays(demo_file: Path):
    with open_demos(demo_file) as file:
        demo = file.demo("demo_2")
        assert demo.actions.shape == demo.expert_actions.shape == (demo.num_samples, 6)
        assert demo.rewards.shape == demo.phase.shape == (demo.num_samples,)
        assert demo.states["joint_pos"].shape == (demo.num_samples + 1, 2, 2)
        assert demo.verify_hash()
        with pytest.raises(DemoFileError, match=r"demo_2 has no obs/pixels/front; it has actions, "):
            demo.obs("pixels/front")


def test_robomimic_finds_what_it_reads(demo_file: Path):
    with h5py.File(demo_file) as file:
        assert set(json.loads(file["data"].attrs["env_args"])) >= {"env_name", "type", "env_kwargs"}
        demos = [name.decode("utf-8") for name in np.array(file["mask/train"][:])]
        assert all(name in file["data"] for name in demos)
        for name in file["data"]:
            demo = file["data"][name]
            assert demo.attrs["num_samples"] == len(demo["actions"]) == len(demo["obs/agent_pos"])
            assert len(demo["rewards"]) == len(demo["dones"]) == len(demo["actions"])
        assert file["data"].attrs["total"] == sum(demo.attrs["num_samples"] for demo in file["data"].values())


def test_unknown_names_are_told_with_those_that_exist(demo_file: Path):
    with open_demos(demo_file) as file:
        with pytest.raises(UserError, match="has no 'demo_9'; it has demo_0 to demo_3"):
            file.demo("demo_9")
        with pytest.raises(UserError, match="split is 'test', allowed are train, valid"):
            file.split("test")


def test_a_missing_file_is_a_missing_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError), open_demos(tmp_path / "nothing.hdf5"):
        pass


def test_other_files_are_refused(tmp_path: Path):
    (tmp_path / "a.hdf5").write_text("hello")
    with pytest.raises(DemoFileError, match=r"a.hdf5 is not an HDF5 file"), open_demos(tmp_path / "a.hdf5"):
        pass
    h5py.File(tmp_path / "b.hdf5", "w").close()
    with pytest.raises(DemoFileError, match="no TeamVLA demonstration file"), open_demos(tmp_path / "b.hdf5"):
        pass


def test_a_file_that_was_cut_short_is_refused(demo_file: Path):
    content = demo_file.read_bytes()
    demo_file.write_bytes(content[: len(content) // 2])
    with (
        pytest.raises(DemoFileError, match=r"toy.hdf5 cannot be read, it may be cut short"),
        open_demos(demo_file),
    ):
        pass


def test_files_of_version_1_have_no_header_hash_and_are_read_with_a_note(
    change: Change, caplog: pytest.LogCaptureFixture
):
    def older(file: h5py.File) -> None:
        del file["data"].attrs["header_hash"]
        file["data"].attrs["schema_version"] = 1

    with caplog.at_level("INFO"), open_demos(change(older)) as file:
        assert all(demo.verify_hash() for demo in file)
    assert "has schema version 1, whose header has no hash" in caplog.text


def test_the_file_of_the_first_version_stays_readable():
    with open_demos(GOLDEN / "demos_v1.hdf5") as file:
        assert file.env_kwargs["task"] == "lift"
        assert file.cameras == ["front", "wrist_0", "wrist_1"]
        assert all(demo.verify_hash() for demo in file)


def test_a_file_that_is_being_written_is_said_to_be_locked(demo_file: Path):
    program = (
        f"import h5py, time; file = h5py.File({str(demo_file)!r}, 'r+'); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            with pytest.raises(DemoFileError, match="is locked: another program is writing to it"):
                open_demos(demo_file).__enter__()
        finally:
            writer.kill()


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DemoFileError, match="is not a regular file"), open_demos(tmp_path / "pipe"):
        pass
