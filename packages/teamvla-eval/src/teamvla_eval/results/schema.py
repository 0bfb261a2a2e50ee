"""The schema of ``results.json`` as a table of keys and types, and the check of a file that comes from anywhere."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from teamvla_envs.errors import UserError

SCHEMA_VERSION = 2
MAX_BYTES = 200_000_000  # a record has some 500 bytes
MAX_EPISODES = 200_000
MAX_TEXT = 4_000
MAX_NUMBER = 1e100  # sums and squares of larger ones overflow
MAX_COUNT = 2**63 - 1
OPTIONAL = ("unstable",)  # keys that files of earlier versions do not have

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold unpaired ones, no file can

Check = Callable[[Any], str | None]  # what was expected, None when the value is that


def check_results(values: Any) -> None:
    """Check types, ranges and required keys of a results file's content.

    Raises:
        UserError: Names the key, what was found and what was expected.
    """
    if not isinstance(values, dict):
        raise UserError(f"results are {type(values).__name__}, expected an object")
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UserError(f"results have schema_version {version!r}, expected {SCHEMA_VERSION}")
    if _SURROGATE.search(json.dumps(values, ensure_ascii=False)):
        raise UserError("results have a text that is not valid Unicode")
    check_object("", values, _TOP)
    for policy, tasks in values["policies"].items():
        if not isinstance(tasks, dict):
            raise UserError(f"policies.{policy} is {_shown(tasks)}, expected an object of tasks")
        for task, figures in tasks.items():
            place = f"policies.{policy}.{task}"
            check_object(place, figures, _TASK)
            for goal, of_goal in figures["goals"].items():
                check_object(f"{place}.goals.{goal}", of_goal, _FIGURES)
    if len(values["episodes"]) > MAX_EPISODES:
        raise UserError(f"episodes has {len(values['episodes'])} records, at most {MAX_EPISODES} are read")
    seen = set()
    for index, episode in enumerate(values["episodes"]):
        check_episode(episode, f"episodes[{index}]")
        key = episode["policy"], episode["task"], episode["seed"]
        if key in seen:
            raise UserError(f"episodes[{index}] repeats seed {episode['seed']} of {key[0]} on {key[1]}")
        seen.add(key)


def check_episode(values: Any, place: str = "episode") -> None:
    """Check the record of an episode.

    Raises:
        UserError: Names the key, what was found and what was expected.
    """
    check_object(place, values, _EPISODE)
    if values["success"] != (values["time_to_success_s"] is not None):
        raise UserError(f"{place}.time_to_success_s must be null exactly for failures")


def check_object(place: str, values: Any, checks: Mapping[str, Check]) -> None:
    """Check the values of an object by key.

    Args:
        place: Its name for the error message; empty for a whole file.
        values: What was read.
        checks: Key to check; these keys must be there, unless they are in ``OPTIONAL``.

    Raises:
        UserError: Names the key, what was found and what was expected.
    """
    if not isinstance(values, dict):
        raise UserError(f"{place} is {_shown(values)}, expected an object")
    for key, check in checks.items():
        name = f"{place}.{key}" if place else key
        if key not in values and key in OPTIONAL:
            continue
        if key not in values:
            raise UserError(f"{name} is missing")
        expected = check(values[key])
        if expected is not None:
            raise UserError(f"{name} is {_shown(values[key])}, expected {expected}")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"


def text(value: Any) -> str | None:
    """Check a text."""
    good = isinstance(value, str) and len(value) <= MAX_TEXT and not _SURROGATE.search(value)
    return None if good else f"text of at most {MAX_TEXT} characters"


def _bool(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def count(value: Any) -> str | None:
    """Check a number of things."""
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
    return None if good else "a whole number that is not negative"


def _number(value: Any) -> str | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and -MAX_NUMBER <= value <= MAX_NUMBER
    return None if good else "a finite number"


def amount(value: Any) -> str | None:
    """Check a number that is not negative."""
    return None if _number(value) is None and value >= 0 else "a finite number that is not negative"


def share(value: Any) -> str | None:
    """Check a number from 0 to 1."""
    return None if _number(value) is None and 0 <= value <= 1 else "a number in [0, 1]"


def _numbers(value: Any) -> str | None:
    return None if isinstance(value, list) and not any(map(amount, value)) else "a list of numbers"


def interval(value: Any) -> str | None:
    """Check an interval of shares."""
    good = isinstance(value, list) and len(value) == 2 and not any(map(share, value)) and value[0] <= value[1]
    return None if good else "[low, high] in [0, 1]"


def mapping(value: Any) -> str | None:
    """Check an object."""
    return None if isinstance(value, dict) else "an object"


def sequence(value: Any) -> str | None:
    """Check a list."""
    return None if isinstance(value, list) else "a list"


def texts(value: Any) -> str | None:
    """Check an object whose values are texts."""
    good = isinstance(value, dict) and not any(map(text, value.values()))
    return None if good else "an object of texts"


def or_null(check: Check) -> Check:
    """The check, but null passes as well."""

    def either(value: Any) -> str | None:
        expected = None if value is None else check(value)
        return f"{expected}, or null" if expected else None

    return either


_MEASURED: dict[str, Check] = {
    "coordination_score": or_null(share),
    "collision_cost": amount,
    "idle_time_s": _numbers,
    "action_change": amount,
    "energy": amount,
}
_TOP: dict[str, Check] = {
    "protocol": text,
    "command": text,
    "started": text,
    "versions": texts,
    "git": mapping,
    "hardware": mapping,
    "settings": mapping,
    "policy": text,
    "tasks": mapping,
    "policies": mapping,
    "comparisons": sequence,
    "episodes": sequence,
}
_FIGURES: dict[str, Check] = {
    "episodes": count,
    "successes": count,
    "success_rate": share,
    "wilson_95": interval,
    "time_to_success_s": or_null(amount),
    "time_to_success_mean_s": or_null(amount),
    "mean_return": _number,
    "joint_episodes": count,
    "dropped_objects": amount,
    "said_success_rate": or_null(share),
    "unstable": count,
    **_MEASURED,
}
_TASK: dict[str, Check] = {**_FIGURES, "goals": mapping, "wall_s": or_null(amount)}
_EPISODE: dict[str, Check] = {
    "policy": text,
    "task": text,
    "seed": count,
    "goal": text,
    "instruction": text,
    "success": _bool,
    "steps": count,
    "time_to_success_s": or_null(amount),
    "return": _number,
    "final_phase": text,
    "end_reason": text,
    "furthest_phase": text,
    "dropped_objects": count,
    "said_goal": or_null(text),
    "said_success": or_null(_bool),
    **_MEASURED,
}
