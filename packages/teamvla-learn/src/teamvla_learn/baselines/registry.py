"""The policies that come with the package, by name: ``registry.yaml`` tells what each is and how it was made.

A name is what it does, then how: ``TASK`` or ``multitask`` for a single brain, with ``-msg`` for one network per arm.
Each is a checkpoint folder beside this file, with weights in half precision.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_envs.policies import Policy

PREFIX = "baseline"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Baseline:
    """An entry of the registry.

    Attributes:
        name: What follows ``baseline:``.
        folder: Its checkpoint folder.
        tasks: Tasks that it was trained for.
        commands: Commands that made it, in order, in a directory of their own.
        minutes: What its training took on two processor cores [min].
        note: What else is worth knowing; may be empty.
    """

    name: str
    folder: Path
    tasks: tuple[str, ...]
    commands: tuple[str, ...]
    minutes: float
    note: str = ""


def baselines() -> dict[str, Baseline]:
    """Return every baseline by its name, without reading any weights."""
    entries: dict[str, dict[str, Any]] = yaml.safe_load((_HERE / "registry.yaml").read_text(encoding="utf-8")) or {}
    return {
        name: Baseline(
            name,
            _HERE / name,
            tuple(entry["tasks"]),
            tuple(entry["commands"]),
            float(entry["minutes"]),
            entry.get("note", ""),
        )
        for name, entry in entries.items()
    }


def get_baseline(name: str) -> Baseline:
    """Return a baseline.

    Raises:
        UserError: When there is none of that name; the message lists those there are.
    """
    known = baselines()
    if name not in known:
        raise UserError(f"policy {PREFIX}:{name} does not exist, allowed are {PREFIX}:NAME with {', '.join(known)}")
    return known[name]


def checkpoint_folder(name: str | Path) -> Path:
    """Return the checkpoint folder that a path or ``baseline:NAME`` names.

    Raises:
        UserError: When there is no such baseline.
    """
    prefix, colon, baseline = str(name).partition(":")
    return get_baseline(baseline).folder if colon and prefix == PREFIX else Path(name)


def baseline_policy(name: str) -> "Policy":
    """Make a baseline ready to act (the entry point ``baseline``)."""
    from teamvla_learn.policies.checkpoint import policy_from_folder

    return policy_from_folder(str(get_baseline(name).folder))
