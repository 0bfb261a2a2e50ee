import h5py
import numpy as np
import pytest
from teamvla_envs.errors import UserError
from teamvla_learn.data.dataset import load_demos

from tests.learn.episodes import CAMERAS, SIZE, STEPS, make_episode


def test_samples_are_the_demonstrations_one_after_the_other(demos):
    train, valid, _ = load_demos(demos, with_pixels=True)
    assert (len(train), len(valid)) == (5 * STEPS, STEPS)
    with h5py.File(demos) as file:
        second = file["mask/train"][1].decode()
    episode = make_episode(int(second.removeprefix("demo_")))
    rows = np.arange(STEPS, 2 * STEPS)
    assert np.array_equal(train.expert_actions[rows], episode.arrays["expert_actions"])
    assert np.array_equal(train.agent_pos[rows], episode.arrays["obs/agent_pos"])
    assert np.array_equal(train.pixels["wrist_1"][rows], episode.arrays["obs/pixels/wrist_1"])
    assert train.sentences[train.demo[STEPS]] == (episode.instruction,)


def test_images_stay_bytes_in_memory(demos):
    train, _, _ = load_demos(demos, with_pixels=True)
    assert tuple(train.pixels) == CAMERAS
    for images in train.pixels.values():
        assert images.shape == (5 * STEPS, SIZE, SIZE, 3)
        assert images[np.arange(3)].dtype == np.uint8


def test_a_chunk_of_actions_ends_with_its_demonstration(demos):
    train, _, _ = load_demos(demos, with_pixels=False)
    actions, valid = train.action_chunks(np.array([0, STEPS - 2]), length=3)
    assert np.array_equal(actions[0], train.expert_actions[:3])
    assert np.array_equal(actions[1], train.expert_actions[[STEPS - 2, STEPS - 1, STEPS - 1]])
    assert valid.tolist() == [[True, True, True], [True, True, False]]


def test_the_source_names_parts_and_data(demos):
    _, _, source = load_demos(demos, with_pixels=False)
    assert source.environment_state.span("goal_pos") == (3, 6)
    assert source.action.entries_with("gripper") == (7,)
    assert source.content_hash == load_demos(demos, with_pixels=True)[2].content_hash


def test_images_that_are_missing_are_asked_for(make_demos):
    with pytest.raises(UserError, match=r"no images.*--policy state"):
        load_demos(make_demos(with_pixels=False), with_pixels=True)


def test_a_damaged_file_is_one_line(demos):
    demos.write_bytes(demos.read_bytes()[:5000])
    with pytest.raises(UserError) as error:
        load_demos(demos, with_pixels=True)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read demonstrations .*none.hdf5"):
        load_demos(tmp_path / "none.hdf5", with_pixels=True)


def test_the_phase_is_something_to_tell(demos):
    train, _, source = load_demos(demos, with_pixels=False)
    values, known = train.part("phase")
    assert known.all()
    assert values.shape == (len(train), source.targets["phase"])
    assert (values.argmax(1) == 0).all()  # the made-up demonstrations stay in phase 0
    assert (values.sum(1) == 1).all()


def test_a_file_counts_once(demos):
    with pytest.raises(UserError, match=f"demos has {demos} more than once"):
        load_demos((demos, demos.parent / "." / demos.name), with_pixels=False)
