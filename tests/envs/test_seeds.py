from itertools import combinations

import numpy as np
import pytest
from teamvla_envs.errors import UserError
from teamvla_envs.seeds import SEED_SETS, episode_seeds


def test_the_seed_sets_are_disjoint():
    for first, second in combinations(SEED_SETS.values(), 2):
        assert first.stop <= second.start or second.stop <= first.start


def test_seeds_are_consecutive_and_begin_after_the_offset():
    seeds = episode_seeds("validation", 3, offset=2)
    np.testing.assert_array_equal(seeds, [1_000_002, 1_000_003, 1_000_004])
    assert seeds.dtype == np.int64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("exam", 1), "seed_set is 'exam', allowed are train, validation, test"),
        (("test", -1), "count is -1"),
        (("test", 1, -5), "offset is -5"),
        (("test", 2, 999_999), "has 1000000 seeds, asked for 2"),
    ],
)
def test_bad_requests_are_named(arguments: tuple, message: str):
    with pytest.raises(UserError, match=message):
        episode_seeds(*arguments)
