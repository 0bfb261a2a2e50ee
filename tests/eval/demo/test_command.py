from typing import Any

import pytest
from teamvla_envs.errors import UserError
from teamvla_eval.demo.command import demo


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "juggle"}, "task is 'juggle', allowed are lift"),
        ({"seed": -3}, "seed is -3"),
        ({"port": 99999}, "port is 99999"),
        ({"policy": ("genius",)}, "policy is 'genius'"),
        ({"policy": ("no/such/folder",)}, "not an existing folder; allowed are"),
        ({"max_visitors": 1000}, "max-visitors is 1000"),
    ],
)
def test_what_the_operator_mistyped_is_reported_before_anything_starts(arguments: dict[str, Any], words: str):
    with pytest.raises(UserError, match=words):
        demo(**arguments)
