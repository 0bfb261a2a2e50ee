"""Shipped policies by name, described in ``registry.yaml``.

A name is ``TASK`` or ``multitask`` for a ``vla`` policy, with the suffix ``-msg`` for a ``msg`` policy. Each is a
checkpoint folder next to this file, with weights in half precision.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from teamvla_envs.errors import UserError
from teamvla_envs.policies import BASELINE, PolicySpec

if TYPE_CHECKING:
    from teamvla_envs.policies import Policy

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Baseline:
    """A shipped policy.

    Attributes:
        name: Name after ``baseline:``.
        folder: Checkpoint folder.
        tasks: Tasks that it was trained on.
        commands: Commands that reproduce it, in order, in an empty directory.
        minutes: Duration of its training on two CPU cores [min].
        note: Remarks; may be empty.
    """

    name: str
    folder: Path
    tasks: tuple[str, ...]
    commands: tuple[str, ...]
    minutes: float
    note: str = ""


def baselines() -> dict[str, Baseline]:
    """Return all baselines by name, without reading their weights."""
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
    """Return a baseline by name.

    Raises:
        UserError: When there is no such baseline; the message lists the names.
    """
    known = baselines()
    if name not in known:
        raise UserError(f"policy {BASELINE}:{name} does not exist, allowed are {BASELINE}:NAME with {', '.join(known)}")
    return known[name]


def checkpoint_folder(name: str | Path) -> Path:
    """Return the checkpoint folder that a path or ``baseline:NAME`` names.

    Raises:
        UserError: When there is no such baseline.
    """
    spec = PolicySpec.parse(str(name))
    return get_baseline(spec.argument).folder if spec.kind == BASELINE else Path(name)


def baseline_policy(name: str) -> "Policy":
    """Load a baseline, ready to act (the entry point ``baseline``)."""
    from teamvla_learn.policies.checkpoint_policy import policy_from_folder

    return policy_from_folder(str(get_baseline(name).folder))
