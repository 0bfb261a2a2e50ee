"""What wrote a checkpoint: versions of Python, of the packages, and of the git tree that it was written in."""

import importlib.metadata
import platform
import subprocess

PACKAGES = ("teamvla-learn", "teamvla-envs", "torch", "safetensors", "numpy")


def versions() -> dict[str, str]:
    """Return name to version; ``git`` is there only inside a git tree."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    git = git_version()
    return found | ({"git": git} if git else {})


def git_version() -> str:
    """Return the present folder's commit, with ``-dirty`` when tracked files were changed; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
