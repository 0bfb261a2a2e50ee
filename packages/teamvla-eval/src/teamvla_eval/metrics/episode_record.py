"""Record of a finished episode as plain data, which summaries, tables and reports read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from teamvla_eval.metrics.table import all_metrics


@dataclass(frozen=True)
class EpisodeRecord:
    """Outcome and metrics of one episode.

    Attributes:
        task: Task name, e.g. ``"lift"``.
        seed: Seed the episode was reset with; it determines the scene, the goal and the instruction.
        goal: Name of the goal variant, e.g. ``"stand_0"``.
        instruction: Instruction of the episode.
        success: Whether the goal was reached and held within the horizon.
        steps: Control steps taken.
        time_to_success_s: Simulated time until success was established, hold time included [s];
            None for a failure.
        episode_return: Undiscounted sum of rewards.
        final_phase: Phase of the task at the last step, e.g. ``"carry"``.
        end_reason: ``"success"``, ``"object_left_table"``, ``"unstable"`` (the physics diverged) or ``"time_limit"``.
        metrics: Name to value, for every row of the metric table; defaults where nothing was measured.
        said_goal: Goal named by the instruction, if it differs from ``goal``.
        said_success: Whether ``said_goal`` was reached and held.
    """

    task: str
    seed: int
    goal: str
    instruction: str
    success: bool
    steps: int
    time_to_success_s: float | None
    episode_return: float
    final_phase: str
    end_reason: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    said_goal: str | None = None
    said_success: bool | None = None

    def __post_init__(self) -> None:
        complete = {metric.name: self.metrics.get(metric.name, metric.default) for metric in all_metrics()}
        object.__setattr__(self, "metrics", complete)

    def to_json(self) -> dict[str, Any]:
        """The record as a flat object of JSON values; the return is called ``"return"``."""
        values: dict[str, Any] = {}
        for item in fields(self):
            if item.name == "metrics":
                values |= {name: list(v) if isinstance(v, tuple) else v for name, v in self.metrics.items()}
            else:
                values["return" if item.name == "episode_return" else item.name] = getattr(self, item.name)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpisodeRecord":
        """Inverse of :meth:`to_json`; keys that are not part of a record are ignored."""
        measured = {
            metric.name: tuple(value) if isinstance(value := values[metric.name], list) else value
            for metric in all_metrics()
            if metric.name in values
        }
        names = (item.name for item in fields(cls) if item.name != "metrics")
        own = {name: values["return" if name == "episode_return" else name] for name in names}
        return cls(**own, metrics=measured)


def record_keys() -> tuple[str, ...]:
    """Keys of the JSON form of a record, in order."""
    return tuple(EpisodeRecord("", 0, "", "", False, 0, None, 0.0, "").to_json())


@dataclass(frozen=True)
class Suite:
    """All episodes of one policy on one task.

    Attributes:
        policy: Name of the policy as the user gave it, e.g. ``"expert"`` or ``"runs/x"``.
        task: Task name.
        records: One record per seed, in seed order.
        wall_s: Wall-clock time of the episodes [s]; None if it was not measured.
    """

    policy: str
    task: str
    records: tuple[EpisodeRecord, ...]
    wall_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Measured:
    """Episodes of a policy on a task from an earlier, interrupted run.

    Attributes:
        records: Seed to record.
        wall_s: Wall-clock time of the episodes [s].
    """

    records: Mapping[int, EpisodeRecord] = field(default_factory=dict)
    wall_s: float = 0.0


NOTHING_MEASURED = Measured()
