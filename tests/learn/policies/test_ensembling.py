import numpy as np
import pytest
from teamvla_learn.policies.action_head import ActionSpace, HeadConfig
from teamvla_learn.policies.ensembling import TemporalEnsemble, make_ensemble

GRIPPER = np.array([False, True])


def chunk(*values: float) -> np.ndarray:
    """A prediction of one world: joint entries as given, the gripper open."""
    return np.array([[[value, 1.0] for value in values]])


def test_an_action_is_the_weighted_mean_of_all_that_was_predicted_for_it():
    ensemble = TemporalEnsemble(1, 3, np.log(2), GRIPPER)
    assert ensemble.blend(chunk(0.1, 0.2, 0.3))[0, 0] == pytest.approx(0.1)
    assert ensemble.blend(chunk(0.5, 0.6, 0.7))[0, 0] == pytest.approx((0.5 + 0.2 / 2) / 1.5)
    assert ensemble.blend(chunk(0.9, 0.0, 0.0))[0, 0] == pytest.approx((0.9 + 0.6 / 2 + 0.3 / 4) / 1.75)
    assert ensemble.blend(chunk(0.0, 0.0, 0.0))[0, 0] == pytest.approx((0.0 + 0.0 / 2 + 0.7 / 4) / 1.75)


def test_a_gripper_does_what_most_say():
    ensemble = TemporalEnsemble(1, 2, 0.1, GRIPPER)
    closing = chunk(0.0, 0.0)
    closing[0, 1, 1] = -1.0
    ensemble.blend(closing)
    assert ensemble.blend(chunk(0.0, 0.0))[0, 1] == 1.0
    ensemble.reset(np.ones(1, bool))
    ensemble.blend(chunk(0.0, 0.0))
    assert ensemble.blend(-chunk(0.0, 0.0))[0, 1] == -1.0


def test_a_new_episode_forgets_the_last_one():
    ensemble = TemporalEnsemble(2, 2, 0.0, GRIPPER)
    ensemble.blend(np.concatenate([chunk(1.0, 1.0)] * 2))
    ensemble.reset(np.array([True, False]))
    assert ensemble.blend(np.concatenate([chunk(0.0, 0.0)] * 2))[:, 0].tolist() == [0.0, 0.5]


def test_single_actions_are_not_blended():
    assert make_ensemble(ActionSpace(2, 8, (7,), 1), HeadConfig(ensembling=0.1), 4) is None
    assert make_ensemble(ActionSpace(2, 8, (7,), 4), HeadConfig(), 4) is None
    assert make_ensemble(ActionSpace(2, 8, (7,), 4), HeadConfig(ensembling=0.1), 4) is not None
