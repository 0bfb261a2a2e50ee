from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from teamvla_envs.demos.reader import DemoFileError
from teamvla_envs.demos.replay import replay
from teamvla_envs.demos.schema import content_hash

from tests.envs.demos.sealing import seal

Change = Callable[[Callable[[h5py.File], object]], Path]


def test_a_recorded_file_replays_bit_for_bit(demo_file: Path, capsys: pytest.CaptureFixture[str]):
    assert replay(demo_file, verify=True, num_envs=3) == 0
    assert "4 of 4 demos bit-exact" in capsys.readouterr().out


def test_without_verification_successes_are_counted(demo_file: Path, capsys: pytest.CaptureFixture[str]):
    assert replay(demo_file, demo=("demo_1", "demo_2")) == 0
    assert "2 of 2 demos end in success" in capsys.readouterr().out


def test_another_simulation_is_told_by_demo_step_and_state(
    toy_env: Any, demo_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    step = toy_env.step

    def push(env, actions):
        env._joint_pos[1, 0, 1] += 1e-12 * (env._steps[1] == 4)
        return step(env, actions)

    monkeypatch.setattr(toy_env, "step", push)
    assert replay(demo_file, verify=True) == 1
    told = capsys.readouterr().out
    assert "demo_1: step 5: states/joint_pos differs by up to 1e-12" in told
    assert "3 of 4 demos bit-exact" in told
    assert "recorded with mujoco" in told


def test_a_changed_file_is_told_by_its_hash(change: Change, capsys: pytest.CaptureFixture[str]):
    def damage(file: h5py.File) -> None:
        file["data/demo_3"].attrs["instruction"] = "lift it elsewhere"

    assert replay(change(damage), verify=True) == 1
    assert "demo_3: content hash differs" in capsys.readouterr().out


def test_a_flipped_bit_in_the_header_ends_a_verification(change: Change):
    def flip(file: h5py.File) -> None:
        versions = file["data"].attrs["versions"]
        file["data"].attrs["versions"] = versions.replace("1", "0", 1)
        assert file["data"].attrs["versions"] != versions

    with pytest.raises(DemoFileError, match="the header differs from its header_hash"):
        replay(change(flip), verify=True)


def test_a_forged_reward_is_told_even_with_a_new_hash(change: Change, capsys: pytest.CaptureFixture[str]):
    def forge(file: h5py.File) -> None:
        demo = file["data/demo_0"]
        demo["rewards"][2] = 5.0
        arrays = {}
        demo.visititems(lambda path, item: arrays.update({path: item[()]}) if isinstance(item, h5py.Dataset) else None)
        demo.attrs["content_hash"] = content_hash(demo.attrs, arrays)
        seal(file)

    assert replay(change(forge), verify=True) == 1
    assert "demo_0: step 2: rewards is " in capsys.readouterr().out


def test_arguments_that_make_no_environment_are_refused(change: Change):
    def damage(file: h5py.File) -> None:
        attributes = file["data"].attrs
        attributes["env_args"] = attributes["env_args"].replace('"image_size"', '"sound_size"')
        seal(file)

    with pytest.raises(DemoFileError, match="env_kwargs has the unknown argument 'sound_size'"):
        replay(change(damage))
