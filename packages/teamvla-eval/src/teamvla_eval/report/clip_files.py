"""Video files of a run: the choice of episodes, and one ``POLICY_SEED.mp4`` per episode."""

from collections.abc import Sequence
from pathlib import Path

from teamvla_envs.files import write_bytes

from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.report.videos import Clip
from teamvla_eval.results.results import BenchResults


def choose_episodes(records: Sequence[EpisodeRecord], count: int, failures: int) -> list[EpisodeRecord]:
    """Choose the episodes to show: successes of as many goal variants as possible, then failures.

    Args:
        records: All episodes.
        count: Number of episodes to choose.
        failures: Number of failures among them; if one kind is short, the other takes its place.
    """
    succeeded = _one_goal_after_another([record for record in records if record.success])
    failed = _one_goal_after_another([record for record in records if not record.success])
    num_failed = min(len(failed), max(failures, count - len(succeeded)))
    return succeeded[: count - num_failed] + failed[:num_failed]


def write_clip(folder: Path, clip: Clip) -> None:
    """Write one video into a folder, which is made when it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"{clip.policy}_{clip.episode.seed}.mp4", clip.mp4)


def read_clips(folder: Path, results: BenchResults) -> list[Clip]:
    """Read the videos of a folder whose episodes are among the results, in the order of the results."""
    clips = []
    for suite in results.suites:
        for record in sorted(suite.records, key=lambda record: not record.success):
            path = folder / f"{suite.policy}_{record.seed}.mp4"
            if path.is_file():
                clips.append(Clip(suite.policy, record, path.read_bytes()))
    return clips


def _one_goal_after_another(records: Sequence[EpisodeRecord]) -> list[EpisodeRecord]:
    """The records ordered so that the first ones show different goals."""
    seen: dict[str, int] = {}
    ranked = []
    for record in records:
        seen[record.goal] = seen.get(record.goal, 0) + 1
        ranked.append((seen[record.goal], record))
    return [record for _, record in sorted(ranked, key=lambda item: item[0])]
