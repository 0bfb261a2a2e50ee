"""Schema of ``results.json`` as tables of keys and checks, applied to files from untrusted sources."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from teamvla_envs.errors import UserError

from teamvla_eval.metrics.table import all_metrics, registered_metrics, summarized_metrics
from teamvla_eval.metrics.value_checks import (
    SURROGATE,
    Check,
    amount,
    boolean,
    count,
    interval,
    mapping,
    number,
    or_null,
    sequence,
    share,
    text,
    texts,
)

SCHEMA_VERSION = 2
MAX_BYTES = 200_000_000  # a record has some 500 bytes
MAX_EPISODES = 200_000
UNSTABLE = "unstable"  # figure that files of earlier versions do not have


def check_results(values: Any) -> None:
    """Check types, ranges and required keys of a results file's content.

    Raises:
        UserError: Names the key, the value and the expectation.
    """
    if not isinstance(values, dict):
        raise UserError(f"results are {type(values).__name__}, expected an object")
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UserError(f"results have schema_version {version!r}, expected {SCHEMA_VERSION}")
    if SURROGATE.search(json.dumps(values, ensure_ascii=False)):
        raise UserError("results have a text that is not valid Unicode")
    check_object("", values, _TOP)
    for policy, tasks in values["policies"].items():
        if not isinstance(tasks, dict):
            raise UserError(f"policies.{policy} is {_shown(tasks)}, expected an object of tasks")
        for task, figures in tasks.items():
            place = f"policies.{policy}.{task}"
            check_object(place, figures, _figure_checks() | _TASK)
            for goal, of_goal in figures["goals"].items():
                check_object(f"{place}.goals.{goal}", of_goal, _figure_checks())
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
        UserError: Names the key, the value and the expectation.
    """
    check_object(place, values, _episode_checks())
    if values["success"] != (values["time_to_success_s"] is not None):
        raise UserError(f"{place}.time_to_success_s must be null exactly for failures")


def check_object(place: str, values: Any, checks: Mapping[str, Check]) -> None:
    """Check the values of an object by key.

    Args:
        place: Its name for the error message; empty for a whole file.
        values: What was read.
        checks: Key to check; these keys must be there, except the :func:`optional_keys`.

    Raises:
        UserError: Names the key, the value and the expectation.
    """
    if not isinstance(values, dict):
        raise UserError(f"{place} is {_shown(values)}, expected an object")
    for key, check in checks.items():
        name = f"{place}.{key}" if place else key
        if key not in values and key in optional_keys():
            continue
        if key not in values:
            raise UserError(f"{name} is missing")
        expected = check(values[key])
        if expected is not None:
            raise UserError(f"{name} is {_shown(values[key])}, expected {expected}")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"


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
_TASK: dict[str, Check] = {"goals": mapping, "wall_s": or_null(amount)}


@cache
def optional_keys() -> frozenset[str]:
    """Keys of records and figures that a valid file can lack."""
    return frozenset((UNSTABLE, *(metric.name for metric in registered_metrics())))


@cache
def _figure_checks() -> dict[str, Check]:
    checks: dict[str, Check] = {
        "episodes": count,
        "successes": count,
        "success_rate": share,
        "wilson_95": interval,
        "time_to_success_s": or_null(amount),
        "time_to_success_mean_s": or_null(amount),
        "mean_return": number,
        "said_success_rate": or_null(share),
        UNSTABLE: count,
    }
    for metric in summarized_metrics():
        checks[metric.name] = metric.check_aggregate
        if metric.counted_as:
            checks[metric.counted_as] = count
    return checks


@cache
def _episode_checks() -> dict[str, Check]:
    return {
        "policy": text,
        "task": text,
        "seed": count,
        "goal": text,
        "instruction": text,
        "success": boolean,
        "steps": count,
        "time_to_success_s": or_null(amount),
        "return": number,
        "final_phase": text,
        "end_reason": text,
        "said_goal": or_null(text),
        "said_success": or_null(boolean),
        **{metric.name: metric.check for metric in all_metrics()},
    }
