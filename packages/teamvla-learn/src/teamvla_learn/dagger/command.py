"""``teamvla dagger``: improve a trained policy with expert corrections."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from teamvla_envs.errors import UserError

if TYPE_CHECKING:
    from teamvla_learn.train.settings import Settings


def dagger(
    demos: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE ...]")],
    *,
    init_from: Path,
    out: Path,
    num_rounds: int = 2,
    episodes: int = 40,
    style: Literal["intervention", "classic"] = "intervention",
    patience: int = 50,
    stray_steps: int = 15,
    num_envs: int = 16,
    preset: str | None = None,
    config: tuple[Path, ...] = (),
    settings: "Settings | None" = None,
    threads: int | None = None,
) -> None:
    """Roll out a trained policy, let the expert correct it where it fails, and train on the corrections too.

    Stop with Ctrl-C; the same command continues.

    Args:
        demos: Demonstration files that the policy was trained on.
        init_from: Checkpoint folder of the policy, or baseline:NAME.
        out: Folder for the demonstrations and the checkpoint of each round.
        num_rounds: Rounds of rollouts and training.
        episodes: Episodes per round and task.
        style: intervention records the expert's part of an episode after a takeover; classic records all states that
            the policy visits, with the expert's actions.
        patience: Steps without progress after which the policy has stalled.
        stray_steps: Consecutive steps of deviation from the expert after which the policy has strayed.
        num_envs: Worlds simulated in parallel.
        preset: Shipped settings for the training of a round: tiny, laptop or gpu.
        config: YAML files of settings; by default the policy's own train.yaml.
        settings: The training of a round, as dotted options such as `--train.learning-rate`; see `teamvla train`.
        threads: CPU threads. Default: all cores.
    """
    from teamvla_learn.baselines.registry import checkpoint_folder
    from teamvla_learn.dagger.collecting import RolloutSettings
    from teamvla_learn.dagger.rounds import DaggerJob, run_dagger
    from teamvla_learn.dagger.takeover import TakeoverRule
    from teamvla_learn.policies.checkpoint import load_checkpoint
    from teamvla_learn.train.init_from import check_kept
    from teamvla_learn.train.settings import configs_or_own, layered_settings

    if not demos:
        raise UserError("demos is empty, expected the demonstration files that the policy was trained on")
    init_from = checkpoint_folder(init_from)
    policy = load_checkpoint(init_from).policy
    below = layered_settings(preset, configs_or_own(init_from, preset, config), policy.name)
    settings = settings or below
    check_kept(policy, init_from, settings, below, preset, config)
    rule = TakeoverRule(patience=patience, stray_steps=stray_steps)
    last = run_dagger(
        DaggerJob(
            demos=demos,
            init_from=init_from,
            out=out,
            rounds=num_rounds,
            rollouts=RolloutSettings(episodes, style, rule, num_envs),
            settings=settings,
            threads=threads,
        )
    )
    print(f"wrote {last}")


def _run_arguments(prog: str, args: Sequence[str]) -> Any:
    """Parse a command line with the defaults of its preset and YAML files, or the policy's own, and run it."""
    from teamvla_learn.train.settings import SettingsArgument, settings_below

    dagger.__annotations__["settings"] = SettingsArgument  # deferred: the options of the network need torch
    return tyro.cli(partial(dagger, settings=settings_below(args, own_settings=True)), prog=prog, args=args)


dagger.__dict__["run_arguments"] = _run_arguments  # called by ``teamvla`` in place of its own parser
