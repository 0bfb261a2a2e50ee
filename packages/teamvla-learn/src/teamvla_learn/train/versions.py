"""Versions that a checkpoint stores: of Python, the packages and the git tree."""

import importlib.metadata
import platform
import subprocess

PACKAGES = ("teamvla-learn", "teamvla-envs", "torch", "safetensors", "numpy")


def versions() -> dict[str, str]:
    """Return the versions by name; ``git`` is present only inside a git tree."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    git = git_version()
    return found | ({"git": git} if git else {})


def git_version() -> str:
    """Return the commit of the current folder, with ``-dirty`` if files are modified; empty outside a git tree."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
