"""Full disks: each command ends with one line, and completes when there is space again.

``sudo uv run python benchmarks/reliability/full_disk.py`` mounts small file systems in memory, for which it needs root.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trials import Trials, content, messages_of, run

ENOUGH = "200m"
COLLECT = ("collect", "lift", "--episodes", "3", "--num-envs", "3")
TRAIN = ("train", "{demos}", "--preset", "tiny", "--steps", "4", "--no-tensorboard")


@dataclass(frozen=True)
class Case:
    """A command whose disk is full.

    Attributes:
        name: For the table.
        command: Arguments; ``{disk}`` is the small file system, ``{free}`` a folder with space, ``{demos}`` a file.
        out: What is complete in the end, in the same notation.
        sizes: Sizes of the file system in kB.
        again: Arguments that are added when the command is repeated.
        environment: Variables, in the same notation.
        fallback: A line of a command that does without the disk, instead of ending.
    """

    name: str
    command: tuple[str, ...]
    out: str
    sizes: tuple[int, ...]
    again: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    fallback: str = ""


CASES = (
    Case("collect", (*COLLECT, "--out", "{disk}/lift.hdf5"), "{disk}/lift.hdf5", (16, 300, 1000, 1600, 2200)),
    Case(
        "collect without images",
        (*COLLECT, "--no-images", "--out", "{disk}/lift.hdf5"),
        "{disk}/lift.hdf5",
        (16, 300, 900),
    ),
    Case("train", (*TRAIN, "--out", "{disk}/x"), "{disk}/x", (16, 1000, 3000), ("--overwrite",)),
    Case(
        "train, cache",
        (*TRAIN, "--out", "{free}/x"),
        "{free}/x",
        (16, 1000, 5000),
        ("--overwrite",),
        {"TEAMVLA_CACHE": "{disk}/cache"},
        "is kept in memory",
    ),
    Case(
        "render", ("render", "{demos}", "--out", "{disk}/video.mp4", "--size", "240"), "{disk}/video.mp4", (8, 40, 80)
    ),
    Case("export of a policy", ("policies", "export", "baseline:lift", "--out", "{disk}/x"), "{disk}/x", (8, 100, 700)),
)


def main(names: Sequence[str]) -> int:
    """Run the cases of these names, or all."""
    if os.geteuid() != 0:
        print("full_disk.py mounts file systems: run it as root", file=sys.stderr)
        return 2
    trials = Trials()
    with tempfile.TemporaryDirectory() as folder:
        demos = Path(folder) / "demos.hdf5"
        code, messages = run([*COLLECT, "--out", demos])
        if code:
            print(messages, file=sys.stderr)
            return 2
        for case in CASES:
            if not names or case.name in names:
                reference = _reference(case, demos, Path(folder))
                for size in case.sizes:
                    trials.add(case.name, _try(case, size, demos, Path(folder), reference))
    return trials.finish()


def _reference(case: Case, demos: Path, folder: Path) -> dict[str, str]:
    """Return the files of the command when there is space."""
    with _disk(folder, ENOUGH) as disk, tempfile.TemporaryDirectory(dir=folder) as free:
        names = {"disk": str(disk), "free": free, "demos": str(demos)}
        run([word.format(**names) for word in case.command], _environment(case, names))
        return content(Path(case.out.format(**names)))


def _try(case: Case, size: int, demos: Path, folder: Path, reference: dict[str, str]) -> str:
    """Return the failure, None without one."""
    with _disk(folder, f"{size}k") as disk, tempfile.TemporaryDirectory(dir=folder) as free:
        names = {"disk": str(disk), "free": free, "demos": str(demos)}
        command, environment = [word.format(**names) for word in case.command], _environment(case, names)
        out = Path(case.out.format(**names))
        code, messages = run(command, environment)
        if problem := _problem(case, code, messages, disk):
            return f"{size} kB: {problem}"
        left = [path.name for path in disk.rglob("*") if "partial" in path.name]
        if left:
            return f"{size} kB: {left[0]} is left"
        subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", disk], check=True)
        again = case.again if out.exists() and any(out.iterdir() if out.is_dir() else [out]) else ()
        code, messages = run([*command, *again], environment)
        if code:
            return f"{size} kB: with space again, code {code}: {messages[-300:]}"
        return "" if content(out) == reference else f"{size} kB: with space again, the result differs"


def _problem(case: Case, code: int, messages: str, disk: Path) -> str:
    lines = messages_of(messages)
    if case.fallback and code == 0:
        return "" if any(case.fallback in line for line in lines) else f"no warning in {lines}"
    if code != 2:
        return f"code {code}: {messages[-300:]}"
    named = len(lines) == 1 and "no space left" in lines[0] and str(disk) in lines[0]
    return "" if named else f"the messages are {lines}"


def _environment(case: Case, names: dict[str, str]) -> dict[str, str]:
    return {name: value.format(**names) for name, value in case.environment.items()}


@contextmanager
def _disk(folder: Path, size: str) -> Generator[Path]:
    """Mount a temporary file system of a given size."""
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
