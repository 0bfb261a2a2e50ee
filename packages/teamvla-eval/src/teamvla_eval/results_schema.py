"""The schema of ``results.json`` as a table of keys and types, and the check of a file that comes from anywhere."""

import math
from collections.abc import Callable, Mapping
from typing import Any

SCHEMA_VERSION = 2
MAX_BYTES = 200_000_000  # a record has some 500 bytes
MAX_EPISODES = 200_000
MAX_TEXT = 4_000

Check = Callable[[Any], str | None]  # what was expected, None when the value is that


def check_results(values: Any) -> None:
    """Check types, ranges and required keys of a results file's content.

    Raises:
        ValueError: Names the key, what was found and what was expected.
    """
    if not isinstance(values, dict):
        raise ValueError(f"results are {type(values).__name__}, expected an object")
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"results have schema_version {version!r}, expected {SCHEMA_VERSION}")
    _check_object("", values, _TOP)
    for policy, tasks in values["policies"].items():
        if not isinstance(tasks, dict):
            raise ValueError(f"policies.{policy} is {_shown(tasks)}, expected an object of tasks")
        for task, figures in tasks.items():
            place = f"policies.{policy}.{task}"
            _check_object(place, figures, _TASK)
            for goal, of_goal in figures["goals"].items():
                _check_object(f"{place}.goals.{goal}", of_goal, _FIGURES)
    if len(values["episodes"]) > MAX_EPISODES:
        raise ValueError(f"episodes has {len(values['episodes'])} records, at most {MAX_EPISODES} are read")
    seen = set()
    for index, episode in enumerate(values["episodes"]):
        _check_object(f"episodes[{index}]", episode, _EPISODE)
        if episode["success"] != (episode["time_to_success_s"] is not None):
            raise ValueError(f"episodes[{index}].time_to_success_s must be null exactly for failures")
        key = episode["policy"], episode["task"], episode["seed"]
        if key in seen:
            raise ValueError(f"episodes[{index}] repeats seed {episode['seed']} of {key[0]} on {key[1]}")
        seen.add(key)


def _check_object(place: str, values: Any, checks: Mapping[str, Check]) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{place} is {_shown(values)}, expected an object")
    for key, check in checks.items():
        name = f"{place}.{key}" if place else key
        if key not in values:
            raise ValueError(f"{name} is missing")
        expected = check(values[key])
        if expected is not None:
            raise ValueError(f"{name} is {_shown(values[key])}, expected {expected}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and len(value) <= MAX_TEXT else f"text of at most {MAX_TEXT} characters"


def _bool(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _count(value: Any) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if good else "a whole number that is not negative"


def _number(value: Any) -> str | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return None if good else "a finite number"


def _amount(value: Any) -> str | None:
    return None if _number(value) is None and value >= 0 else "a finite number that is not negative"


def _share(value: Any) -> str | None:
    return None if _number(value) is None and 0 <= value <= 1 else "a number in [0, 1]"


def _numbers(value: Any) -> str | None:
    return None if isinstance(value, list) and not any(map(_amount, value)) else "a list of numbers"


def _interval(value: Any) -> str | None:
    good = isinstance(value, list) and len(value) == 2 and not any(map(_share, value)) and value[0] <= value[1]
    return None if good else "[low, high] in [0, 1]"


def _mapping(value: Any) -> str | None:
    return None if isinstance(value, dict) else "an object"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) else "a list"


def _texts(value: Any) -> str | None:
    good = isinstance(value, dict) and not any(map(_text, value.values()))
    return None if good else "an object of texts"


def _or_null(check: Check) -> Check:
    def either(value: Any) -> str | None:
        expected = None if value is None else check(value)
        return f"{expected}, or null" if expected else None

    return either


_MEASURED: dict[str, Check] = {
    "coordination_score": _or_null(_share),
    "collision_cost": _amount,
    "idle_time_s": _numbers,
    "action_change": _amount,
    "energy": _amount,
}
_TOP: dict[str, Check] = {
    "protocol": _text,
    "command": _text,
    "started": _text,
    "versions": _texts,
    "git": _mapping,
    "hardware": _mapping,
    "settings": _mapping,
    "policy": _text,
    "tasks": _mapping,
    "policies": _mapping,
    "comparisons": _list,
    "episodes": _list,
}
_FIGURES: dict[str, Check] = {
    "episodes": _count,
    "successes": _count,
    "success_rate": _share,
    "wilson_95": _interval,
    "time_to_success_s": _or_null(_amount),
    "time_to_success_mean_s": _or_null(_amount),
    "mean_return": _number,
    "joint_episodes": _count,
    "dropped_objects": _amount,
    "said_success_rate": _or_null(_share),
    **_MEASURED,
}
_TASK: dict[str, Check] = {**_FIGURES, "goals": _mapping, "wall_s": _or_null(_amount)}
_EPISODE: dict[str, Check] = {
    "policy": _text,
    "task": _text,
    "seed": _count,
    "goal": _text,
    "instruction": _text,
    "success": _bool,
    "steps": _count,
    "time_to_success_s": _or_null(_amount),
    "return": _number,
    "final_phase": _text,
    "end_reason": _text,
    "furthest_phase": _text,
    "dropped_objects": _count,
    "said_goal": _or_null(_text),
    "said_success": _or_null(_bool),
    **_MEASURED,
}
