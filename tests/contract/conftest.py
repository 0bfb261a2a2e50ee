"""Example packages of the documentation, installed for one test."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RunWithExample = Callable[..., str]


@pytest.fixture
def run_with_examples(tmp_path: Path) -> RunWithExample:
    """Runs ``python *arguments`` in a new interpreter that has example packages installed; returns its output.

    A package is installed as an editable install would do it: its folder is on the path, next to a ``.dist-info``
    folder with the name, the version and the entry points of its ``pyproject.toml``.
    """

    def run(examples: str | tuple[str, ...], *arguments: str, code: int = 0) -> str:
        names = (examples,) if isinstance(examples, str) else examples
        for name in names:
            install(EXAMPLES / name, tmp_path / "site")
        paths = [str(tmp_path / "site"), *(str(EXAMPLES / name) for name in names)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def install(package: Path, site: Path) -> None:
    """Write the metadata of a package into a folder of the path."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name = re.sub(r"[-_.]+", "_", project["name"])
    info = site / f"{name}-{project['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    lines = []
    for group, entries in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
