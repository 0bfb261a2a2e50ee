"""Unwritable consoles and histories: ``teamvla bench`` must save its results and keep its exit code.

``uv run python benchmarks/reliability/bench_outputs.py`` runs a small benchmark with full, closed and ASCII-only
standard streams, without a home folder, with histories that cannot be written, and with a limit on the size of files
in place of a full disk.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro
from verdicts import report

TEAMVLA = str(Path(sys.executable).with_name("teamvla"))
WORDS = "bench --policy expert zero --tasks lift --episodes 2 --num-envs 2 --fail-under 0.5"
FULL = "/dev/full"


def main() -> int:
    """Print a table of faults, trials and passed trials.

    Returns:
        1 if something did not hold.
    """
    verdicts: dict[str, list[str | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "file").write_text("")
        home = {"HOME": str(root / "home")}
        expected = _records(root / "reference", _run(root / "reference", home, []))
        ascii_only = home | {"PYTHONIOENCODING": "ascii"}
        no_history = ["--history", FULL]
        trials: dict[str, Callable[[Path], subprocess.CompletedProcess[str]]] = {
            "stdout full": lambda out: _redirected(out, home, f"> {FULL}"),
            "stderr full": lambda out: _redirected(out, home, f"2> {FULL}"),
            "stdout and stderr full": lambda out: _redirected(out, home, f"> {FULL} 2> {FULL}"),
            "stdout closed": lambda out: _redirected(out, home, ">&-"),
            "stdout and stderr closed": lambda out: _redirected(out, home, ">&- 2>&-"),
            "stdout a pipe that nobody reads": lambda out: _redirected(out, home, "| true; exit ${PIPESTATUS[0]}"),
            "stderr a pipe that nobody reads": lambda out: _redirected(out, home, "2> >(true)"),
            "stdout ASCII only": lambda out: _run(out, ascii_only, []),
            "stdout Latin-1 only": lambda out: _run(out, home | {"PYTHONIOENCODING": "latin-1"}, []),
            "HOME a file": lambda out: _run(out, {"HOME": str(root / "file")}, []),
            "HOME without write permission": lambda out: _run(out, {"HOME": "/proc/1"}, []),
            "history full": lambda out: _run(out, home, no_history),
            "history a folder": lambda out: _run(out, home, ["--history", str(root)]),
            "history in a file": lambda out: _run(out, home, ["--history", str(root / "file" / "h.jsonl")]),
            "history full, stdout full": lambda out: _redirected(out, home, f"--history {FULL} > {FULL}"),
        }
        for number, (tried, trial) in enumerate(trials.items()):
            out = root / f"out_{number}"
            verdicts[tried] = [_problem(out, trial(out), expected)]
        verdicts["history cut short by a full disk"] = [_short_history(root, home)]
        verdicts["journal cut short by a full disk, then resumed"] = [_short_journal(root, home, expected)]
    return report(verdicts)


def _problem(out: Path, run: "subprocess.CompletedProcess[str]", expected: Any) -> str | None:
    if run.returncode != 0:
        return f"exit code {run.returncode}: {run.stderr.strip()[-300:]}"
    if "Traceback" in run.stderr or "Exception ignored" in run.stderr:
        return run.stderr.strip()[-300:]
    return None if _records(out, run) == expected else "other records"


def _short_history(root: Path, home: dict[str, str]) -> str | None:
    """A history file of limited size: it keeps its lines, and the next run adds one."""
    history = root / "short.jsonl"
    words = ["--history", str(history)]
    for _ in range(2):
        _run(root / "short", home, words)
    before = history.read_text()
    run = _run(root / "short", home, words, limit=len(before) + 100, to_file=False)
    if run.returncode != 0 or "not in the history" not in run.stderr:
        return f"exit code {run.returncode}: {run.stderr[-300:]}"
    if history.read_text() != before:
        return "the history has changed"
    _run(root / "short", home, words)
    return None if len(history.read_text().splitlines()) == 3 else "the next run added no line"


def _short_journal(root: Path, home: dict[str, str], expected: Any) -> str | None:
    out = root / "cut"
    run = _run(out, home, [], limit=1800)
    message = run.stderr.strip().splitlines()[-1]
    if run.returncode != 2 or "episodes.jsonl" not in message or "Traceback" in run.stderr:
        return f"exit code {run.returncode}: {message}"
    if not (out / "episodes.jsonl").read_text().endswith("\n"):
        return "part of a line was left"
    return _problem(out, _run(out, home, []), expected)


def _run(
    out: Path, variables: dict[str, str], words: list[str], limit: int | None = None, to_file: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run the benchmark, optionally with a limit on the size of files [bytes]."""

    def set_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    where = ["--out", str(out)] if to_file else []
    command = [TEAMVLA, *WORDS.split(), *where, *words]
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=_environment(variables), preexec_fn=set_limit
    )


def _redirected(out: Path, variables: dict[str, str], redirection: str) -> "subprocess.CompletedProcess[str]":
    line = f"{TEAMVLA} {WORDS} --out {out} {redirection}"
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=_environment(variables))


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """Environment variables with the existing cache, and a history in HOME only."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    kept = {name: value for name, value in os.environ.items() if name not in ("TEAMVLA_HISTORY", "XDG_DATA_HOME")}
    return kept | {"XDG_CACHE_HOME": cache} | variables


def _records(out: Path, run: "subprocess.CompletedProcess[str]") -> Any:
    path = out / "results.json"
    return json.loads(path.read_text())["episodes"] if path.is_file() else f"no results: {run.stderr[-300:]}"


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
