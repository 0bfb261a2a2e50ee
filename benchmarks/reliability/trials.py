"""Trials of the ``teamvla`` program: runs, comparison of output files, and counts of passed trials."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verdicts import report

PROGRAM = (sys.executable, "-c", "import teamvla_start; teamvla_start.main()")
COMPARED = ("*.hdf5", "model.safetensors")  # files that do not depend on elapsed time


@dataclass
class Trials:
    """Rows of a table: fault, number of trials, number of passed trials."""

    _rows: dict[str, list[str | None]] = field(default_factory=dict)

    def add(self, name: str, problem: str) -> None:
        """Count a trial; without a problem it passed."""
        self._rows.setdefault(name, []).append(problem or None)
        print(f"{name}: {problem or 'held'}", file=sys.stderr, flush=True)

    def finish(self) -> int:
        """Print the table and return the exit code."""
        return report(self._rows)


def start(
    arguments: Sequence[str | Path], environment: dict[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.Popen[str]":
    """Start ``teamvla`` with these arguments."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        env=os.environ | (environment or {}),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(arguments: Sequence[str | Path], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run ``teamvla``, and return its exit code and its standard error output."""
    process = start(arguments, environment)
    _, messages = process.communicate()
    return process.returncode, messages


def messages_of(text: str) -> list[str]:
    """Return the lines of standard error without blank lines, progress bars and messages about compilation."""
    progress = ("collect ", "training ", "reading demonstrations", "render ", "replay ", "TeamVLA: compiling")
    return [line for line in text.splitlines() if line.strip() and not line.startswith(progress)]


def content(path: Path) -> dict[str, str]:
    """Return hashes of the files, of the kinds that are compared, at or below a path."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    chosen = [file for file in files if file.is_file() and any(map(file.match, COMPARED))]
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in chosen}
