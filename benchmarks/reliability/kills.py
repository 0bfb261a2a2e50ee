"""Kills at random times: the same command then completes, and its result equals that of an uninterrupted run.

``uv run python benchmarks/reliability/kills.py --trials 20`` sends SIGINT, SIGTERM and SIGKILL to ``teamvla collect``
and ``teamvla train``, also while they import.
"""

import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from trials import Trials, content, messages_of, run, start

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
EXIT_INTERRUPTED = 130
COLLECT = ("collect", "lift", "--episodes", "6", "--num-envs", "3", "--image-size", "32")
TRAIN = ("train", "{demos}", "--preset", "tiny", "--steps", "60", "--no-tensorboard")


@dataclass(frozen=True)
class Case:
    """A command to be killed.

    Attributes:
        name: For the table.
        command: Arguments; ``{out}`` is what it writes, ``{demos}`` a demonstration file.
        out: Name of what it writes.
        resume: What is added to the command when there is something to resume.
    """

    name: str
    command: tuple[str, ...]
    out: str
    resume: tuple[str, ...] = ()


CASES = (
    Case("collect", (*COLLECT, "--out", "{out}"), "lift.hdf5"),
    Case("train", (*TRAIN, "--out", "{out}"), "x", ("--resume",)),
)


def main(trials: int = 20, seed: int = 0, cases: tuple[str, ...] = ("collect", "train")) -> int:
    """Kill commands, and print a table of passed trials.

    Args:
        trials: Trials of each command; half of them in the first two seconds, while it imports.
        seed: Seed of the moments.
        cases: Which commands.
    """
    moments, table = random.Random(seed), Trials()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demos = folder / "demos.hdf5"
        code, messages = run([*COLLECT, "--out", demos])
        if code:
            print(messages, file=sys.stderr)
            return 2
        for case in CASES:
            if case.name not in cases:
                continue
            began = time.monotonic()
            reference = _undisturbed(case, folder, demos)
            duration = time.monotonic() - began
            for trial in range(trials):
                number = SIGNALS[trial % len(SIGNALS)]
                delay = moments.uniform(0.0, 2.0 if trial % 2 else duration)
                place = folder / f"{case.name}_{trial}"
                problem = _try(case, place, demos, number, delay, reference)
                table.add(f"{case.name}, {number.name}", f"{problem} (after {delay:.3f} s)" if problem else "")
    return table.finish()


def _undisturbed(case: Case, folder: Path, demos: Path) -> dict[str, str]:
    out = folder / f"{case.name}_undisturbed" / case.out
    out.parent.mkdir()
    code, messages = run(_arguments(case, out, demos))
    if code:
        raise SystemExit(messages)
    return content(out)


def _try(case: Case, place: Path, demos: Path, number: signal.Signals, delay: float, reference: dict[str, str]) -> str:
    """Kill a command once and repeat it; return the failure, None without one."""
    out = place / case.out
    place.mkdir()
    process = start(_arguments(case, out, demos))
    _wait_for_handlers(process)
    time.sleep(delay)
    process.send_signal(number)
    _, messages = process.communicate()
    if number != signal.SIGKILL and (problem := _noise(process.returncode, messages)):
        return problem
    unfinished = [path for path in place.iterdir() if path != out]
    if not out.exists() or unfinished or case.resume:
        resume = case.resume if (out / "config.json").exists() else ()
        code, messages = run([*_arguments(case, out, demos), *resume])
        if code:
            return f"the same command ends with code {code}: {messages[-300:]}"
    if content(out) != reference:
        return "the result differs from that of an undisturbed run"
    left = [path for path in place.rglob("*") if "partial" in path.name or path.name.endswith((".parts", ".first"))]
    return f"{left[0].name} is left" if left else ""


def _noise(code: int, messages: str) -> str:
    """Return a wrong exit of an interrupted command, which may have finished before."""
    lines = messages_of(messages)
    if code not in (0, EXIT_INTERRUPTED):
        return f"code {code}: {messages[-300:]}"
    quiet = not lines or (len(lines) == 1 and lines[0].startswith("interrupted"))
    return "" if quiet or code == 0 else f"not quiet: {messages[-300:]}"


def _wait_for_handlers(process: "subprocess.Popen[str]") -> None:
    """Wait until the program's first lines have run; before them Python itself starts."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
        if found and int(found[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.001)


def _arguments(case: Case, out: Path, demos: Path) -> list[str]:
    return [word.format(out=out, demos=demos) for word in case.command]


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
