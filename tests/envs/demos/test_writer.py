from pathlib import Path

import h5py
import numpy as np
import pytest
from teamvla_envs.demos import schema
from teamvla_envs.demos.writer import Episode, write_episode


def _episode(**changes: np.ndarray) -> Episode:
    steps = 20
    arrays: dict[str, np.ndarray] = {
        schema.AGENT_POS: np.zeros((steps, 4), np.float32),
        schema.ENVIRONMENT_STATE: np.zeros((steps, 3), np.float32),
        schema.PIXELS + "front": np.zeros((steps, 8, 8, 3), np.uint8),
        schema.ACTIONS: np.zeros((steps, 6), np.float32),
        schema.EXPERT_ACTIONS: np.zeros((steps, 6), np.float32),
        schema.REWARDS: np.zeros(steps, np.float32),
        schema.DONES: np.zeros(steps, np.uint8),
        schema.PHASE: np.zeros(steps, np.int64),
        schema.STATES + "joint_pos": np.zeros((steps + 1, 2, 7)),
    }
    return Episode(7, "stand_0", "lift it", True, arrays | changes)


def test_images_are_compressed_in_chunks_of_sixteen(tmp_path: Path):
    write_episode(tmp_path / "a.hdf5", _episode())
    with h5py.File(tmp_path / "a.hdf5") as file:
        images = file["episode/obs/pixels/front"]
        assert (images.chunks, images.compression, images.compression_opts) == ((16, 8, 8, 3), "gzip", 4)


def test_an_episode_without_the_layout_is_not_written(tmp_path: Path):
    with pytest.raises(ValueError, match=r"seed 7: rewards has shape \(19,\), expected \(20\)"):
        write_episode(tmp_path / "a.hdf5", _episode(rewards=np.zeros(19, np.float32)))
    assert list(tmp_path.iterdir()) == []


def test_the_content_hash_tells_any_change_of_arrays_and_attributes():
    episode = _episode()
    hashes = {
        schema.content_hash(episode.attributes(), episode.arrays),
        schema.content_hash(episode.attributes() | {"seed": 8}, episode.arrays),
        schema.content_hash(episode.attributes(), _episode(rewards=np.full(20, -0.0, np.float32)).arrays),
        schema.content_hash(episode.attributes(), _episode(phase=np.zeros(20, np.int32)).arrays),
    }
    assert len(hashes) == 4
    assert episode.attributes()["content_hash"] in hashes


def test_one_tenth_of_the_demonstrations_is_for_validation_and_always_the_same():
    names = [f"demo_{index}" for index in range(100)]
    splits = schema.split_names(names)
    assert (len(splits["train"]), len(splits["valid"])) == (90, 10)
    assert sorted(splits["train"] + splits["valid"]) == sorted(names)
    assert schema.split_names(names) == splits
    assert [len(schema.split_names(names[:2])[name]) for name in schema.SPLITS] == [1, 1]
    assert [len(schema.split_names(names[:1])[name]) for name in schema.SPLITS] == [1, 0]
