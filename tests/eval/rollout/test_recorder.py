import numpy as np
import pytest
from teamvla_envs.policies import make_policy
from teamvla_eval.rollout.recorder import StateRecorder
from teamvla_eval.rollout.suite import run_suite


@pytest.mark.parametrize("num_envs", [1, 3])
def test_a_trajectory_is_the_initial_state_and_one_per_step(num_envs, make_lift):
    recorder, alone = StateRecorder(), make_lift(1)
    run_suite(
        make_lift(num_envs, autoreset_mode="Disabled", max_episode_steps=4), make_policy("zero"), range(4),
        record=recorder,
    )  # fmt: skip
    assert sorted(recorder.seeds) == [0, 1, 2, 3]
    for seed in recorder.seeds:
        trajectory = recorder.trajectory(seed)
        assert trajectory.states["steps"].tolist() == [0, 1, 2, 3, 4]
        assert set(trajectory.states["seed"].tolist()) == {seed}
        alone.reset(seed=[seed])
        initial = alone.get_state()
        assert all(np.array_equal(values[0], initial[key][0]) for key, values in trajectory.states.items())


def test_only_the_chosen_seeds_are_kept(make_lift):
    recorder = StateRecorder(seeds=[2, 3])
    env = make_lift(3, autoreset_mode="Disabled", max_episode_steps=2)
    run_suite(env, make_policy("zero"), range(5), record=recorder)
    assert sorted(recorder.seeds) == [2, 3]
    with pytest.raises(KeyError, match="no states were kept for seed 4"):
        recorder.trajectory(4)
