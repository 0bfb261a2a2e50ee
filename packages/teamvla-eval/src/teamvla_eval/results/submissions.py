"""Submissions to the leaderboard: a JSON file that describes a policy, next to its results files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from teamvla_envs.errors import UserError

from teamvla_eval.results.protocol import SPLITS, TASKS, deviations
from teamvla_eval.results.results import BenchResults, read_results

SCHEMA_VERSION = 1
OBSERVATIONS = ("vision", "vision+state", "state")
MAX_BYTES = 100_000
MAX_TEXT = 400
_TEXTS = ("name", "authors", "date", "observations", "training_data", "training_hardware", "policy")


@dataclass(frozen=True)
class Submission:
    """Submitted policy.

    Attributes:
        name: Name on the leaderboard.
        authors: Authors of the policy.
        date: Day of the submission, ISO 8601.
        url: Address of a description; may be empty.
        observations: Observation mode, one of ``OBSERVATIONS``.
        training_data: Description of the training data.
        training_hours: Duration of the training [h].
        training_hardware: Hardware of the training.
        policy: Name of the policy in the results files.
        results: Split to results; ``"train"`` is required, ``"unseen"`` is optional.
    """

    name: str
    authors: str
    date: str
    url: str
    observations: str
    training_data: str
    training_hours: float
    training_hardware: str
    policy: str
    results: Mapping[str, BenchResults]


def read_submission(path: Path) -> Submission:
    """Read and check a submission file.

    ``results`` of the file maps a split to the path of a ``results.json``, relative to the file and inside its folder.

    Raises:
        UserError: Names the file, the key, the value and the expectation.
    """
    try:
        return _read(path)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _read(path: Path) -> Submission:
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"has {path.stat().st_size} bytes, a submission has at most {MAX_BYTES}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"is not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("schema_version") != SCHEMA_VERSION:
        raise UserError(f"expected an object with schema_version {SCHEMA_VERSION}")
    texts = {name: _text(values, name) for name in _TEXTS}
    if texts["observations"] not in OBSERVATIONS:
        raise UserError(f"observations is {texts['observations']!r}, allowed are {', '.join(OBSERVATIONS)}")
    hours = values.get("training_hours")
    if isinstance(hours, bool) or not isinstance(hours, (int, float)) or not 0 <= hours < 1e7:
        raise UserError(f"training_hours is {hours!r:.60}, expected a number of hours")
    submission = Submission(
        **texts, url=_url(values.get("url", "")), training_hours=float(hours), results=_results(path, values)
    )
    for split, results in submission.results.items():
        found = deviations(results)
        if results.settings.get("split") != split:
            found.append(f"split is {results.settings.get('split')}")
        if submission.policy not in results.policies:
            found.append(f"has no policy {submission.policy!r}, but {', '.join(results.policies)}")
        ran = {suite.task for suite in results.suites if suite.policy == submission.policy}
        if ran and (missing := [task for task in TASKS if task not in ran]):
            found.append(f"policy {submission.policy!r} lacks {', '.join(missing)}")
        if found:
            raise UserError(f"results of split {split}: {'; '.join(found)}")
    return submission


def _results(path: Path, values: Mapping[str, Any]) -> dict[str, BenchResults]:
    named = values.get("results")
    if not isinstance(named, dict) or "train" not in named or set(named) - set(SPLITS):
        raise UserError(f"results is {named!r:.60}, expected split to file for train, and unseen if it was run")
    folder = path.parent.resolve()
    results = {}
    for split, name in named.items():
        if not isinstance(name, str):
            raise UserError(f"results.{split} is {name!r:.60}, expected the name of a file")
        file = (folder / name).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise UserError(f"results.{split} is {name!r:.60}, expected a file in the folder of the submission")
        results[split] = read_results(file)
    return results


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
        raise UserError(f"{name} is {value!r:.60}, expected one line of at most {MAX_TEXT} characters")
    return value


def _url(value: Any) -> str:
    good = isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()
    if not good or (value and urlsplit(value).scheme not in ("http", "https")):
        raise UserError(f"url is {value!r:.60}, expected an http or https address, or nothing")
    return str(value)
