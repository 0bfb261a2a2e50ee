"""Where a result comes from beside its versions: the commit of the working tree and the machine."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from teamvla_envs.cores import usable_cores


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """``commit`` and ``dirty`` of the repository of a folder, by default the present one; {} outside of one."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}


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


def _git(folder: Path | None, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip()
