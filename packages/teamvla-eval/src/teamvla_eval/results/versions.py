"""Versions of everything that can move a benchmark number."""

import platform
from importlib import metadata

DISTRIBUTIONS = (
    "teamvla-envs",
    "teamvla-learn",
    "teamvla-eval",
    "newton",
    "mujoco",
    "warp-lang",
    "gymnasium",
    "numpy",
    "torch",
)


def installed_versions() -> dict[str, str]:
    """Distribution name to installed version, and Python's; what is not installed is left out."""
    versions = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
