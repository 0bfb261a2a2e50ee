"""What holds for every task: how the two splits divide the arrangements of colors."""

from itertools import combinations, permutations

from teamvla_envs.tasks.base import COLOR_PAIRS

COLORS = range(4)


def test_the_splits_share_the_arrangements_of_colors():
    train, unseen = (set(COLOR_PAIRS[split]) for split in ("train", "unseen"))
    assert not train & unseen
    assert train | unseen == set(permutations(COLORS, 2))


def test_every_color_is_in_either_place_equally_often():
    for pairs in COLOR_PAIRS.values():
        for place in range(2):
            counts = [sum(pair[place] == color for pair in pairs) for color in COLORS]
            assert len(set(counts)) == 1


def test_training_shows_every_two_colors_together():
    """Else a policy could not know which of two words means which of the two colors."""
    assert {tuple(sorted(pair)) for pair in COLOR_PAIRS["train"]} == set(combinations(COLORS, 2))
