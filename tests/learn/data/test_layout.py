import pytest
from teamvla_learn.data.layout import PartLayout

LAYOUT = PartLayout((("joint_delta", 7), ("gripper", 1)))


def test_parts_are_found_by_name():
    assert LAYOUT.size == 8
    assert LAYOUT.span("gripper") == (7, 8)
    assert LAYOUT.entries_with("gripper") == (7,)


def test_an_unknown_part_is_named():
    with pytest.raises(KeyError, match="no part 'tool', the parts are joint_delta, gripper"):
        LAYOUT.span("tool")
