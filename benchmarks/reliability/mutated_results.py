"""Damaged or hostile results, histories, journals, submissions and settings files: each is handled in one line.

``uv run python benchmarks/reliability/mutated_results.py`` makes one small file of each kind, changes copies of it at
random (bytes, lines, JSON values), and gives them to the command that reads them. A file must be read, or refused by
one line and exit code 2 (1 for a results file that does not reproduce, or an invalid submission). The undamaged lines
of a history must still be shown.
"""

import contextlib
import io
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import tyro
from teamvla_envs.cli import main as teamvla
from teamvla_envs.errors import UserError
from teamvla_eval.metrics.episode_record import EpisodeRecord, Suite
from teamvla_eval.results.history_file import read_history
from teamvla_eval.results.journal import JOURNAL, Journal, measurement
from teamvla_eval.results.protocol import TASKS
from teamvla_eval.results.results import read_results
from teamvla_eval.rollout.evaluate import EvaluationSettings
from teamvla_learn.train.settings import layered_settings
from verdicts import report

VALUES: Final[Sequence[Any]] = (
    None, True, -1, 0, 1.5, 10**400, -(10**400), float("inf"), float("nan"), 1e308, "", "[/b]", "[bold", "$\\frac$",
    "<script>alert(1)</script>", "=1+1", "\ud800", "\x1b[2J", "a\nb", "x" * 5000, [], {}, [[]], {"a": {"b": []}},
)  # fmt: skip


def main(files: int = 25, seed: int = 0) -> int:
    """Print a table of faults, trials and passed trials.

    Args:
        files: Mutated files of each kind.
        seed: Of the mutations.

    Returns:
        1 if something did not hold.
    """
    logging.basicConfig(handlers=[logging.NullHandler()])  # warnings about damaged lines
    rng = random.Random(seed)
    kinds: dict[str, Callable[[Path, random.Random], str | None]] = {
        "mutated results.json, teamvla reproduce": _try_results,
        "mutated history, teamvla history --html": _try_history,
        "mutated journal, read when bench resumes": _try_journal,
        "mutated submission, teamvla leaderboard": _try_submission,
        "mutated YAML settings, read by teamvla train": _try_settings,
    }
    verdicts: dict[str, list[str | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TEAMVLA_HISTORY"] = str(Path(folder) / "own_history.jsonl")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            made = _make_files(Path(folder))
        for kind, attempt in kinds.items():
            verdicts[kind] = [_guarded(attempt, made, rng) for _ in range(files)]
    return report(verdicts)


def _guarded(attempt: Callable[[Path, random.Random], str | None], made: Path, rng: random.Random) -> str | None:
    try:
        return attempt(made, rng)
    except Exception:
        return traceback.format_exc(limit=-3)


def _make_files(folder: Path) -> Path:
    """One valid file of each kind."""
    words = "bench --policy zero random --tasks lift --episodes 2 --out"
    assert teamvla([*words.split(), str(folder / "bench")]) == 0
    shutil.copy(folder / "bench" / "results.json", folder / "results.json")
    for _ in range(2):
        assert teamvla([*words.split(), str(folder / "bench")]) == 0
    shutil.copy(os.environ["TEAMVLA_HISTORY"], folder / "history.jsonl")
    records = read_results(folder / "results.json").suites[0].records
    journal = Journal(folder / JOURNAL, _measurement())
    journal.start()
    for record in records:
        journal.add("zero", record, 1.0)
    journal.close()
    full = replace(read_results(folder / "results.json"), settings=EvaluationSettings(episodes=200).to_json())
    suites = tuple(Suite("zero", task, _episodes(records[0], task)) for task in TASKS)
    (folder / "full.json").write_text(json.dumps(replace(full, suites=suites).to_json()))
    submission = {
        "schema_version": 1, "name": "n", "authors": "a", "date": "2026-11-25", "url": "https://example.org",
        "observations": "vision", "training_data": "d", "training_hours": 0.5, "training_hardware": "h",
        "policy": "zero", "results": {"train": "full.json"},
    }  # fmt: skip
    (folder / "submission.json").write_text(json.dumps(submission))
    settings = "policy: SingleBrainVLA\nmodel:\n  vision: {encoder: cnn}\n  chunk_length: 8\ntrain:\n  batch_size: 32\n"
    shutil.copy(_shipped_settings(), folder / "settings.yaml")
    (folder / "small.yaml").write_text(settings)
    return folder


def _shipped_settings() -> Path:
    import teamvla_learn

    return next((Path(teamvla_learn.__file__).parent / "configs").glob("lift*.yaml"))


def _measurement() -> dict[str, Any]:
    return measurement("bench", EvaluationSettings(episodes=2).to_json(), ["lift"], ["zero"], {"python": "3"})


def _episodes(record: EpisodeRecord, task: str) -> tuple[EpisodeRecord, ...]:
    return tuple(replace(record, task=task, seed=2_000_000 + number) for number in range(200))


def _try_results(made: Path, rng: random.Random) -> str | None:
    path = made / "mutated.json"
    path.write_bytes(_mutated((made / "results.json").read_bytes(), rng))
    return _command(["reproduce", str(path)], allowed=(0, 1, 2))


def _try_history(made: Path, rng: random.Random) -> str | None:
    lines = (made / "history.jsonl").read_bytes().splitlines(keepends=True)
    number = rng.randrange(len(lines))
    whole = [line for index, line in enumerate(lines) if index != number]
    lines[number] = _mutated(lines[number].rstrip(b"\n"), rng).replace(b"\n", b" ") + b"\n"
    path, page = made / "mutated.jsonl", made / "history.html"
    path.write_bytes(b"".join(lines))
    problem = _command(["history", "--file", str(path), "--html", str(page)], allowed=(0,))
    if problem is None and len(read_history(path)) < 2 * len(whole):
        return "undamaged lines are missing"
    if problem is None and "<script" in page.read_text():
        return "the page has a script"
    return problem


def _try_journal(made: Path, rng: random.Random) -> str | None:
    whole = Journal(made / JOURNAL, _measurement())
    records = whole.known("zero", "lift").records
    whole.close()
    folder = Path(tempfile.mkdtemp(dir=made))
    (folder / JOURNAL).write_bytes(_mutated((made / JOURNAL).read_bytes(), rng))
    try:
        journal = Journal(folder / JOURNAL, _measurement())
    except UserError as error:
        return None if "\n" not in str(error) else f"several lines: {error}"
    known = journal.known("zero", "lift").records
    journal.close()
    return None if all(records.get(seed) == record for seed, record in known.items()) else "a changed record was taken"


def _try_submission(made: Path, rng: random.Random) -> str | None:
    name = rng.choice(("submission.json", "full.json"))
    content = (made / name).read_bytes()
    try:
        (made / name).write_bytes(_mutated(content, rng))
        return _command(
            ["leaderboard", str(made / "submission.json"), "--out", str(made / "board.html")], allowed=(0, 1)
        )
    finally:
        (made / name).write_bytes(content)


def _try_settings(made: Path, rng: random.Random) -> str | None:
    path = made / "mutated.yaml"
    content = (made / rng.choice(("settings.yaml", "small.yaml"))).read_bytes()
    path.write_bytes(_mutated(content, rng))
    try:
        layered_settings(configs=[path])
    except UserError as error:
        return None if "\n" not in str(error) else f"several lines: {error}"
    return None


def _command(words: list[str], allowed: Sequence[int]) -> str | None:
    """Run a command; None if its exit code is allowed and it printed at most one line of error."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = teamvla(words)
    message = "\n".join(line for line in errors.getvalue().splitlines() if "solved" not in line)
    if code not in allowed or "--debug" in message or len(message.strip().splitlines()) > 1:
        return f"exit code {code}: {message or output.getvalue()}"
    return None


def _mutated(content: bytes, rng: random.Random) -> bytes:
    """A copy with some random change."""
    how = rng.randrange(8)
    place = rng.randrange(len(content))
    if how == 0:  # a flipped bit
        return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]
    if how == 1:  # cut short
        return content[:place]
    if how == 2:  # a zeroed block
        return content[:place] + bytes(min(200, len(content) - place)) + content[place + 200 :]
    if how == 3:  # a block twice
        return content[: place + 50] + content[place:]
    if how == 4:  # nested deeply
        return b"[" * 9000 + content
    try:
        values = json.loads(content)
    except ValueError:
        return content[:place] + json.dumps(rng.choice(VALUES)).encode() + content[place + 1 :]
    for _ in range(rng.choice((1, 1, 3))):
        _change(values, rng)
    return json.dumps(values).encode()


def _change(values: Any, rng: random.Random) -> None:
    """Replace, remove or rename a random value inside of an object or list."""
    while True:
        keys = list(values) if isinstance(values, dict) else list(range(len(values)))
        if not keys:
            return
        key = rng.choice(keys)
        inner = values[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.85:
            values = inner
            continue
        how = rng.randrange(4)
        if how == 0:
            del values[key]
        elif how == 1 and isinstance(values, dict):
            values[rng.choice(("[/b]", "\ud800", "x", ""))] = values.pop(key)
        else:
            values[key] = rng.choice(VALUES)
        return


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
