"""One finished episode, as plain data: what a rollout returns and every metric, table and report reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpisodeRecord:
    """What happened in one episode.

    The metrics from ``furthest_phase`` on are measured while it runs; without measurement they keep their defaults.

    Attributes:
        task: Task name, e.g. ``"lift"``.
        seed: Seed the episode was reset with; it determines the scene, the goal and the sentence.
        goal: Name of the goal variant, e.g. ``"stand_0"``.
        instruction: The sentence the policy was given.
        success: Whether the goal was reached and held within the horizon.
        steps: Control steps taken.
        time_to_success_s: Simulated time until success was established, hold time included [s];
            None for a failure.
        episode_return: Undiscounted sum of rewards.
        final_phase: Phase of the task at the last step, e.g. ``"carry"``: where a failure got stuck.
        end_reason: ``"success"``, ``"object_left_table"``, ``"unstable"`` (the physics diverged) or ``"time_limit"``.
        furthest_phase: The last of the task's phases that was reached at any step.
        coordination_score: Share of the steps of joint work in which every arm did its part; None without joint work.
        collision_cost: Impulse of contacts that should not be [N·s].
        dropped_objects: How often an object fell after a hand had let it go.
        idle_time_s: For how long each arm neither moved nor touched an object [s], one number per arm.
        action_change: Root mean square change of an action entry from step to step.
        energy: Mechanical work of the arms' actuators [J].
        said_goal: Goal that the sentence told, where that was another than ``goal``.
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
    furthest_phase: str = ""
    coordination_score: float | None = None
    collision_cost: float = 0.0
    dropped_objects: int = 0
    idle_time_s: tuple[float, ...] = ()
    action_change: float = 0.0
    energy: float = 0.0
    said_goal: str | None = None
    said_success: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-able values; the return is called ``"return"``."""
        values = asdict(self) | {"idle_time_s": list(self.idle_time_s)}
        return {("return" if key == "episode_return" else key): value for key, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpisodeRecord":
        """Inverse of :meth:`to_json`; keys that are not part of a record are ignored."""
        found: dict[str, Any] = {
            name: values["return" if name == "episode_return" else name] for name in cls.__dataclass_fields__
        }
        found["idle_time_s"] = tuple(found["idle_time_s"])
        return cls(**found)


@dataclass(frozen=True)
class Suite:
    """All episodes of one policy on one task.

    Attributes:
        policy: Name of the policy as the user gave it, e.g. ``"expert"`` or ``"runs/x"``.
        task: Task name.
        records: One record per seed, in seed order.
        wall_s: How long the episodes took [s]; None where nobody measured it.
    """

    policy: str
    task: str
    records: tuple[EpisodeRecord, ...]
    wall_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Measured:
    """Episodes of a policy on a task that an earlier run measured.

    Attributes:
        records: Seed to record.
        wall_s: How long they took [s].
    """

    records: Mapping[int, EpisodeRecord] = field(default_factory=dict)
    wall_s: float = 0.0


NOTHING_MEASURED = Measured()
