"""Failure reasons of episodes."""

from collections import Counter
from collections.abc import Sequence

from teamvla_eval.metrics.episode_record import EpisodeRecord

LEFT, DROPPED = "object left the table", "object was dropped"
UNSTABLE = "physics became unstable"
END_UNSTABLE = "unstable"  # the end reason of such an episode


def failure_kind(record: EpisodeRecord) -> str:
    """Reason of a failure: the event that ended the episode, else the phase in which time ran out.

    Raises:
        ValueError: If the episode succeeded.
    """
    if record.success:
        raise ValueError(f"the episode of seed {record.seed} succeeded")
    if record.end_reason == END_UNSTABLE:
        return UNSTABLE
    if record.end_reason == "object_left_table":
        return LEFT
    if record.metrics["dropped_objects"]:
        return DROPPED
    return f"stuck in {record.final_phase}"


def failure_counts(records: Sequence[EpisodeRecord]) -> dict[str, int]:
    """Failure reason to number of episodes, the most frequent first."""
    counts = Counter(failure_kind(record) for record in records if not record.success)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def outcome(record: EpisodeRecord) -> str:
    """Short form of the failure: the last phase, or ``unstable``."""
    return END_UNSTABLE if record.end_reason == END_UNSTABLE else record.final_phase
