"""One round's demonstrations: episodes that the learner drove, in a file that replays and verifies like any other."""

import logging
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from teamvla_envs.demos.reader import make_recorded_env, open_demos
from teamvla_envs.demos.unpacked import PartsFolder
from teamvla_envs.demos.writer import FileHeader, pack_episodes, write_episode
from teamvla_envs.errors import UserError
from teamvla_envs.files import write_text
from teamvla_envs.provenance import simulation_versions
from teamvla_envs.seeds import SEED_SETS

from teamvla_learn.dagger.rollout import LearnerEnv, LearnerEpisode, Style, learner_rollout
from teamvla_learn.dagger.takeover import TakeoverRule
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.checkpoint_policy import CheckpointPolicy

FIRST_SEED = 500_000  # of the training set; no collection comes that far

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrivingSettings:
    """How a learner is driven into the states that it needs help in.

    Attributes:
        episodes: Episodes of a round and task.
        style: ``intervention`` keeps what the expert does once it took over; ``classic`` keeps all, labeled.
        rule: When the expert takes over, and when a stalled learner is cut off.
        num_envs: Worlds that run at once.
    """

    episodes: int = 40
    style: Style = "intervention"
    rule: TakeoverRule = field(default_factory=TakeoverRule)
    num_envs: int = 16

    def __post_init__(self) -> None:
        """Refuse what gives no episode."""
        for name in ("episodes", "num_envs"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}, expected at least 1")


def collect_round(
    learner: Path, like: Path, out: Path, number: int, settings: DrivingSettings, threads: int | None = None
) -> bool:
    """Let a learner drive and write what is worth learning to a demonstration file.

    An interrupted round goes on where it stopped.

    Args:
        learner: Checkpoint folder.
        like: Demonstration file whose environment is made again.
        out: File to write; nothing is written when nothing was kept.
        number: Number of the round, from 1 on; every round has seeds of its own.
        settings: How.
        threads: CPU threads for physics and pictures; None for one per core.

    Returns:
        Whether there is a file.
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
            for driven in _shown(
                learner_rollout(env, policy, left, settings.rule, settings.style, horizon), len(left), number
            ):
                _keep(parts.path, driven)
        files = [path for _, path in sorted(parts.succeeded.items())]
        _log.info("round %d: %s", number, _summary(parts))
        if files:
            header = FileHeader.of(env, {"policy": "dagger", **collection}, simulation_versions())
            pack_episodes(files, out, header)
        parts.remove()
    return bool(files)


def _keep(folder: Path, driven: LearnerEpisode) -> None:
    """Keep what came of an episode: its demonstration, or a note that there is none."""
    stem = folder / f"seed_{driven.seed:08d}"
    note = f"{driven.outcome} {driven.reason}".strip()
    if driven.kept is not None:
        write_episode(stem.with_suffix(".hdf5"), driven.kept)
    else:
        write_text(stem.with_suffix(".failed"), note)


def _summary(parts: PartsFolder) -> str:
    notes = Counter(path.read_text(encoding="utf-8") for path in parts.path.glob("seed_*.failed"))
    told = ", ".join(f"{count} {note or 'without anything to learn'}" for note, count in sorted(notes.items()))
    return f"{len(parts.succeeded)} demonstrations" + (f"; of the others: {told}" if told else "")


def _shown(episodes: Any, total: int, number: int) -> Any:
    """Pass episodes on behind a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from teamvla_envs.console import plain_console

    columns = (TextColumn(f"round {number}: the learner drives"), BarColumn(), MofNCompleteColumn())
    tail = TextColumn("{task.fields[told]}")
    counts: Counter[str] = Counter()
    with Progress(*columns, tail, console=plain_console(stderr=True)) as progress:
        bar = progress.add_task("", total=total, told="")
        for driven in episodes:
            counts[driven.outcome] += 1
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
            progress.update(bar, advance=1, told=told)
            yield driven
