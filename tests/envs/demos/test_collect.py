from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.expert_episodes import disturbed
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.recorder import EpisodeRecorder
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.demos.unpacked import PartsFolder
from teamvla_envs.demos.writer import Episode
from teamvla_envs.errors import UserError

pytestmark = pytest.mark.usefixtures("toy_env")
SETTINGS = CollectionSettings("lift", cameras=("front",), image_size=16)


def test_the_first_successful_seeds_are_kept_and_failed_ones_replaced(tmp_path: Path):
    collect(CollectConfig(SETTINGS, episodes=5, out=tmp_path / "lift.hdf5", num_envs=3))
    with open_demos(tmp_path / "lift.hdf5") as file:
        assert [demo.seed for demo in file] == [0, 1, 2, 4, 5]
        assert file.collection["failed_seeds"] == [3]
        assert all(demo.success and demo.verify_hash() for demo in file)


def test_each_sample_is_what_was_seen_before_its_action(tmp_path: Path):
    collect(CollectConfig(SETTINGS, episodes=2, out=tmp_path / "lift.hdf5"))
    with open_demos(tmp_path / "lift.hdf5") as file:
        demo = file.demo("demo_1")
        seen = demo.obs("agent_pos").reshape(-1, 2, 2)
        np.testing.assert_allclose(seen, demo.states["joint_pos"][:-1], rtol=1e-6)
        moved = np.diff(demo.states["joint_pos"], axis=0)
        np.testing.assert_allclose(moved, demo.actions.reshape(-1, 2, 3)[..., :2] * 0.05, atol=1e-7)
        assert demo.dones.tolist() == [False] * (demo.num_samples - 1) + [True]
        assert demo.obs("pixels/front").shape == (demo.num_samples, 16, 16, 3)
        assert demo.phase[:6].tolist() == [0, 0, 0, 0, 0, 1]
        assert demo.goal == "stand_1"
        assert demo.instruction == "lift it onto stand_1"


def test_noise_is_on_the_executed_joints_and_not_on_the_label_or_the_gripper(tmp_path: Path):
    collect(CollectConfig(SETTINGS, episodes=1, out=tmp_path / "lift.hdf5"))
    with open_demos(tmp_path / "lift.hdf5") as file:
        demo = file.demo("demo_0")
        executed, label = (array.reshape(-1, 2, 3) for array in (demo.actions, demo.expert_actions))
        assert (executed[..., :2] != label[..., :2]).any()
        np.testing.assert_array_equal(executed[..., 2], label[..., 2])
        expected = np.clip((demo.states["target"] - demo.states["joint_pos"]) / 0.05, -1, 1)[:-1]
        np.testing.assert_allclose(label[..., :2], expected, atol=1e-6)


def test_the_file_is_the_same_byte_for_byte_for_any_number_of_worlds(tmp_path: Path):
    for num_envs in (1, 4, 16):
        collect(CollectConfig(SETTINGS, episodes=9, out=tmp_path / f"{num_envs}.hdf5", num_envs=num_envs))
    one, four, sixteen = ((tmp_path / f"{n}.hdf5").read_bytes() for n in (1, 4, 16))
    assert one == four == sixteen


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_the_environment_gets_as_many_threads_as_asked_for(tmp_path: Path, toy_env: Any, threads: int | None):
    collect(CollectConfig(SETTINGS, episodes=1, out=tmp_path / "lift.hdf5", threads=threads))
    assert toy_env.threads == threads


def test_an_interrupted_collection_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    collect(CollectConfig(SETTINGS, episodes=8, out=tmp_path / "whole.hdf5", num_envs=2))
    out = tmp_path / "lift.hdf5"
    interrupted = pytest.raises(KeyboardInterrupt, match="the same command continues")
    with _finished_episodes(monkeypatch, interrupt_after=3) as before, interrupted:
        collect(CollectConfig(SETTINGS, episodes=8, out=out, num_envs=2))
    assert not out.exists()
    with _finished_episodes(monkeypatch) as after:
        collect(CollectConfig(SETTINGS, episodes=8, out=out, num_envs=3))
    assert sorted(before + after) == list(range(9))  # none twice; number 3 failed
    assert out.read_bytes() == (tmp_path / "whole.hdf5").read_bytes()
    assert list(tmp_path.glob("*.parts")) == []


def test_episodes_of_other_settings_are_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "lift.hdf5"
    with _finished_episodes(monkeypatch, interrupt_after=2), pytest.raises(KeyboardInterrupt):
        collect(CollectConfig(SETTINGS, episodes=4, out=out))
    other = CollectionSettings("lift", cameras=("front",), image_size=16, noise=0.01)
    with pytest.raises(UserError, match=r"noise was 0.002, now 0.01.*--overwrite"):
        collect(CollectConfig(other, episodes=4, out=out))
    collect(CollectConfig(other, episodes=4, out=out, overwrite=True))
    with open_demos(out) as file:
        assert file.collection["noise"] == 0.01


def test_an_existing_file_is_only_replaced_on_request(tmp_path: Path):
    out = tmp_path / "lift.hdf5"
    collect(CollectConfig(SETTINGS, episodes=1, out=out))
    with pytest.raises(UserError, match=r"lift.hdf5 exists; pass --overwrite"):
        collect(CollectConfig(SETTINGS, episodes=2, out=out))
    collect(CollectConfig(SETTINGS, episodes=2, out=out, overwrite=True))
    with open_demos(out) as file:
        assert len(file) == 2


@pytest.mark.parametrize(
    ("numbers", "settings", "message"),
    [
        ({"episodes": 0}, {}, "episodes is 0, expected 1 or more"),
        ({"num_envs": 0}, {}, "num-envs is 0, expected 1 or more"),
        ({"threads": 0}, {}, "threads is 0, expected 1 or more"),
        ({}, {"task": "jump"}, "'jump', allowed are"),
        ({}, {"cameras": ("back",)}, "cameras has 'back', allowed are"),
        ({}, {"cameras": ("front", "front")}, "expected each once"),
        ({}, {"noise": float("nan")}, "noise is nan"),
        ({}, {"noise": -0.1}, "noise is -0.1"),
        ({}, {"seed_set": "exam"}, "seed_set is 'exam', allowed are train, validation, test"),
        ({"episodes": 2}, {"offset": 999_999}, "has 1000000 seeds"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, numbers: dict[str, Any], settings: dict[str, Any], message: str
):
    arguments: dict[str, Any] = {"task": "lift"} | settings
    counts: dict[str, Any] = {"episodes": 1} | numbers
    with pytest.raises(ValueError, match=message):
        collect(CollectConfig(CollectionSettings(**arguments), out=tmp_path / "a.hdf5", **counts))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_built(tmp_path: Path, toy_env):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file is not a folder that can be written to"):
        collect(CollectConfig(SETTINGS, episodes=1, out=tmp_path / "file" / "sub" / "lift.hdf5"))
    with pytest.raises(UserError, match="which is a folder; expected a file"):
        collect(CollectConfig(SETTINGS, episodes=1, out=tmp_path))
    assert toy_env.instances == 0


def test_two_collections_cannot_write_to_the_same_place(tmp_path: Path):
    first = PartsFolder(tmp_path / "lift.hdf5", {})
    first.open()
    with pytest.raises(UserError, match="another collection is writing"):
        PartsFolder(tmp_path / "lift.hdf5", {}).open()
    first.close()


def test_an_expert_that_always_fails_ends_the_collection(tmp_path: Path, toy_env: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(toy_env, "expert_actions", lambda env: np.zeros((env.num_envs, 6), np.float32))
    with pytest.raises(UserError, match="the expert failed in 20 of 20 episodes"):
        collect(CollectConfig(SETTINGS, episodes=4, out=tmp_path / "lift.hdf5", num_envs=4))


def test_a_motion_that_noise_makes_too_long_is_scaled_as_a_whole():
    label = np.array([[1.0, 0.5, 1.0]], dtype=np.float32)
    running = EpisodeRecorder(0, "", "")
    noise, calm = np.full((1, 1, 1, 2), 0.05), np.zeros((1, 1, 1, 2))
    action = disturbed(label, [running], noise, calm, np.zeros((1, 1, 1), dtype=bool))
    np.testing.assert_allclose(action, [[1.0, 0.75, 1.0]])


def test_only_an_arm_with_an_open_gripper_slips():
    label = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, -1.0]], dtype=np.float32)
    running = EpisodeRecorder(0, "", "")
    calm, drift = np.zeros((1, 1, 2, 2)), np.full((1, 1, 2, 2), 0.025)
    action = disturbed(label, [running], calm, drift, np.ones((1, 1, 2), dtype=bool))
    np.testing.assert_allclose(action, [[0.5, 0.5, -1.0, 0.0, 0.0, -1.0]])


@contextmanager
def _finished_episodes(monkeypatch: pytest.MonkeyPatch, interrupt_after: int | None = None) -> Generator[list[int]]:
    """Give the list of seeds that finish, and press Ctrl-C when there are so many."""
    finished: list[int] = []
    original = PartsFolder.add

    def add(self: PartsFolder, episode: Episode) -> None:
        original(self, episode)
        finished.append(episode.seed)
        if len(finished) == interrupt_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PartsFolder, "add", add)
        yield finished
