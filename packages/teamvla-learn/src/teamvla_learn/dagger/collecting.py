"""Demonstration file of one DAgger round, which replays and verifies like any other."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from teamvla_envs.demos.reader import make_recorded_env, open_demos
from teamvla_envs.demos.unpacked import PartsFolder
from teamvla_envs.demos.writer import FileHeader, pack_episodes, write_episode
from teamvla_envs.files import write_text
from teamvla_envs.provenance import simulation_versions
from teamvla_envs.seeds import SEED_SETS

from teamvla_learn.config_io import check_at_least
from teamvla_learn.dagger.rollout import LearnerEnv, LearnerEpisode, Style, learner_rollout
from teamvla_learn.dagger.takeover import TakeoverRule
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.checkpoint_policy import CheckpointPolicy

FIRST_SEED = 500_000  # index into the training seeds, beyond those of any collection

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RolloutSettings:
    """Settings of the rollouts of a DAgger round.

    Attributes:
        episodes: Episodes per round and task.
        style: ``intervention`` records the expert's part of an episode after a takeover; ``classic`` records all states
            that the learner visits, with the expert's actions.
        rule: Conditions under which the expert takes over, or the labels of a learner end.
        num_envs: Worlds simulated in parallel.
    """

    episodes: int = 40
    style: Style = "intervention"
    rule: TakeoverRule = field(default_factory=TakeoverRule)
    num_envs: int = 16

    def __post_init__(self) -> None:
        """Check the values."""
        check_at_least(self, 1, "episodes", "num_envs")


def collect_round(
    learner: Path, like: Path, out: Path, number: int, settings: RolloutSettings, threads: int | None = None
) -> bool:
    """Roll out a learner and write the recorded demonstrations to a file; resumes an interrupted round.

    Args:
        learner: Checkpoint folder.
        like: Demonstration file that defines the environment.
        out: File to write; it is not written if no demonstration was recorded.
        number: Number of the round, from 1; every round has its own seeds.
        settings: Settings of the rollouts.
        threads: CPU threads for physics and rendering; None for one per core.

    Returns:
        Whether the file exists.
    """
    first = FIRST_SEED + (number - 1) * settings.episodes
    seeds = SEED_SETS["train"][first : first + settings.episodes]
    collection = {"learner": learner.name, "round": number, "seed_set": "train", "offset": first, **asdict(settings)}
    parts = PartsFolder(out, {name: value for name, value in collection.items() if name != "num_envs"})
    if out.exists():
        if parts.path.is_dir():  # killed while it cleaned up
            parts.remove()
        return True
    checkpoint = load_checkpoint(learner)
    with open_demos(like) as file, closing(parts):
        policy = CheckpointPolicy(checkpoint)
        own: dict[str, Any] = {"obs_mode": "vision+state", "reward_mode": "dense", "num_threads": threads}
        own |= {key: value for key, value in policy.env_kwargs.items() if key == "instruction_for"}
        horizon = int(file.env_kwargs["max_episode_steps"])
        left = [seed for seed in seeds if seed not in {*parts.succeeded, *parts.failed}]
        parts.open()
        env = make_recorded_env(file, max(min(settings.num_envs, len(left)), 1), max_episode_steps=2 * horizon, **own)
        with closing(env), torch.inference_mode():
            view: Any = LearnerEnv(env, checkpoint.policy.obs_mode)
            policy.bind(view)
            rollouts = learner_rollout(env, policy, left, settings.rule, settings.style, horizon)
            for episode in _with_progress(rollouts, len(left), number):
                _save(parts.path, episode)
        files = [path for _, path in sorted(parts.succeeded.items())]
        _log.info("round %d: %s", number, _summary(parts))
        if files:
            header = FileHeader.of(env, {"policy": "dagger", **collection}, simulation_versions())
            pack_episodes(files, out, header)
        parts.remove()
    return bool(files)


def _save(folder: Path, episode: LearnerEpisode) -> None:
    """Write the demonstration of an episode, or the reason why there is none."""
    stem = folder / f"seed_{episode.seed:08d}"
    if episode.kept is not None:
        write_episode(stem.with_suffix(".hdf5"), episode.kept)
    else:
        write_text(stem.with_suffix(".failed"), f"{episode.outcome} {episode.reason}".strip())


def _summary(parts: PartsFolder) -> str:
    reasons = Counter(path.read_text(encoding="utf-8") for path in parts.path.glob("seed_*.failed"))
    others = f"; of the others: {_counts(reasons)}" if reasons else ""
    return f"{len(parts.succeeded)} demonstrations{others}"


def _with_progress(episodes: Iterator[LearnerEpisode], total: int, number: int) -> Iterator[LearnerEpisode]:
    """Yield the episodes, with a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from teamvla_envs.console import plain_console

    columns = (TextColumn(f"round {number}: rollouts"), BarColumn(), MofNCompleteColumn())
    outcomes: Counter[str] = Counter()
    with Progress(*columns, TextColumn("{task.fields[outcomes]}"), console=plain_console(stderr=True)) as progress:
        bar = progress.add_task("", total=total, outcomes="")
        for episode in episodes:
            outcomes[episode.outcome] += 1
            progress.update(bar, advance=1, outcomes=_counts(outcomes))
            yield episode


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))
