import json

import numpy as np
import pytest
from teamvla_learn.data.normalization import STD_FLOOR, Normalization, Statistics


def test_statistics_have_a_floor_for_entries_that_hardly_move():
    samples = np.stack([np.linspace(-1, 1, 100), np.full(100, 0.3)], axis=1).astype(np.float32)
    statistics = Statistics.of(samples)
    assert statistics.mean == pytest.approx([0, 0.3], abs=1e-6)
    assert statistics.std == pytest.approx([samples[:, 0].std(), STD_FLOOR])


def test_statistics_survive_json_to_the_last_bit():
    rng = np.random.default_rng(0)
    parts = {"goal_pos": Statistics.of(rng.normal(size=(50, 3)))}
    normalization = Normalization(actions=Statistics.of(rng.normal(size=(50, 4))), auxiliary=parts)
    again = Normalization.from_json(json.loads(json.dumps(normalization.to_json())))
    assert np.array_equal(again.actions.mean, normalization.actions.mean)
    assert np.array_equal(again.actions.std, normalization.actions.std)
    assert np.array_equal(again.auxiliary["goal_pos"].std, parts["goal_pos"].std)
    assert again.agent_pos is None


@pytest.mark.parametrize("std", [[0.0], [-1.0], [float("nan")], [1.0, 1.0]])
def test_impossible_statistics_are_refused(std):
    with pytest.raises(ValueError, match="std"):
        Statistics.from_json({"mean": [0.0], "std": std})
