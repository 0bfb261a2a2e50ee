"""Provenance of files: versions of packages, commit of the working tree, and machine."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from teamvla_envs.cores import usable_cores

# Distributions whose version can change a number of the benchmark, and Python.
EVERYTHING = (
    "python", "teamvla-envs", "teamvla-learn", "teamvla-eval", "newton", "mujoco", "warp-lang", "gymnasium", "numpy",
    "torch",
)  # fmt: skip
# Distributions whose version can change a number of a simulation, and Python.
SIMULATION = ("teamvla-envs", "newton", "mujoco", "numpy", "python")


def installed_versions(names: Iterable[str] = EVERYTHING) -> dict[str, str]:
    """Versions of installed distributions.

    Args:
        names: Distribution names in the order of the result; ``"python"`` is the interpreter.

    Returns:
        Name to version, without the distributions that are not installed.
    """
    versions = {}
    for name in names:
        try:
            versions[name] = platform.python_version() if name == "python" else importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def simulation_versions() -> dict[str, str]:
    """Versions of Python and of the distributions that a simulation depends on."""
    return installed_versions(SIMULATION)


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """State of a git working tree.

    Args:
        folder: A folder in it, by default the present one.

    Returns:
        ``commit`` and ``dirty``, which includes untracked files; empty outside of a working tree.
    """
    commit, status = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return {} if commit is None or status is None else {"commit": commit, "dirty": bool(status)}


def git_description() -> str:
    """Commit of the present folder, with ``-dirty`` if tracked files were changed; empty outside of git."""
    return _git(None, "describe", "--always", "--dirty", "--abbrev=12") or ""


def hardware() -> dict[str, Any]:
    """Processor, usable cores, memory [GiB], platform, and the GPU if torch is loaded and sees one."""
    found: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": usable_cores(),
        "platform": platform.platform(terse=True),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_gib"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(folder: Path | None, *arguments: str) -> str | None:
    """Output of a git command, ``None`` if it fails."""
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
