import pytest
from teamvla_eval.rollout.recorder import StateRecorder
from teamvla_eval.rollout.suite import run_suite

from tests.eval.counting_env import CountingPolicy, episode_length, make_counting_env


@pytest.mark.parametrize("num_envs", [1, 3, 20])
def test_a_trajectory_is_the_initial_state_and_one_per_step(num_envs):
    recorder = StateRecorder()
    run_suite(make_counting_env(num_envs), CountingPolicy(), range(12), record=recorder)
    assert sorted(recorder.seeds) == list(range(12))
    for seed in range(12):
        trajectory = recorder.trajectory(seed)
        assert len(trajectory) == episode_length(seed) + 1
        assert trajectory.states["steps"].tolist() == list(range(episode_length(seed) + 1))
        assert set(trajectory.states["seed"].tolist()) == {seed}


def test_only_the_chosen_seeds_are_kept():
    recorder = StateRecorder(seeds=[2, 5])
    run_suite(make_counting_env(3), CountingPolicy(), range(8), record=recorder)
    assert sorted(recorder.seeds) == [2, 5]
    with pytest.raises(KeyError, match="no states were kept for seed 3"):
        recorder.trajectory(3)
