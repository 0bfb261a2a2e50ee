from pathlib import Path

import pytest
from teamvla_envs.errors import UserError
from teamvla_envs.outside import parse_json, plain, read_json, shown


def test_values_from_outside_are_shown_on_one_line_escaped_and_cut():
    assert shown("a\n\x1b[2J") == r"'a\n\x1b[2J'"
    assert len(shown("x" * 10**6)) < 100
    assert len(shown(["x" * 10**6] * 100)) < 1000
    assert len(shown(10**5000)) < 100
    assert shown(3) == "3"
    assert plain("a\n\x1b[2J\u202e") == r"a \x1b[2J\u202e"
    assert len(plain("x" * 10**6)) < 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 9000 + "]" * 9000, "x is nested deeper than the 64 levels"),
        ('{"a":' * 100 + "1" + "}" * 100, "x is nested deeper than the 64 levels"),
        ("{", r"x is not JSON \(line 1, column 2\)"),
        ("9" * 5000, "x is not JSON"),
        ("[NaN]", "x is not JSON"),
        (b"\xff\xfe\xfd", "x is not JSON"),
    ],
)
def test_json_that_cannot_be_read_is_one_line(text: str | bytes, message: str):
    with pytest.raises(UserError, match=message) as error:
        parse_json(text, "x")
    assert "\n" not in str(error.value)


def test_json_is_read_from_regular_files_alone(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, null]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    with pytest.raises(UserError, match="is not a regular file"):
        read_json(Path("/dev/zero"))
