"""One finished episode, as plain data: what a rollout returns and every metric, table and report reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class EpisodeRecord:
    """What happened in one episode.

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

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-able values; the return is called ``"return"``."""
        values = asdict(self)
        return {("return" if key == "episode_return" else key): value for key, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpisodeRecord":
        """Inverse of :meth:`to_json`; keys that are not part of a record are ignored."""
        return cls(
            **{name: values["return" if name == "episode_return" else name] for name in cls.__dataclass_fields__}
        )
