"""``teamvla train``: train a policy on demonstration files."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from teamvla_learn.train.settings import Settings


def train(
    demos: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE ...]")],
    *,
    out: Path,
    preset: str | None = None,
    config: tuple[Path, ...] = (),
    settings: "Settings | None" = None,
    init_from: Path | None = None,
    threads: int | None = None,
    cache: bool = True,
    tensorboard: bool = True,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Train a policy by behavior cloning on demonstrations of one or more tasks.

    Stop with Ctrl-C; continue with the same arguments and --resume.

    Args:
        demos: Demonstration files of `teamvla collect`, of one or more tasks.
        out: Checkpoint folder to write.
        preset: Shipped settings: tiny, laptop or gpu.
        config: YAML files of settings, or names of shipped ones: lift, handoff, drawer, multitask. Later files override
            earlier ones, and options on the command line override all.
        settings: Network and training, as dotted options such as `--train.learning-rate`; see the tables below.
        init_from: Checkpoint folder, or baseline:NAME, with the initial weights.
        threads: CPU threads, at most one per shard; the result does not depend on them. Default: all cores.
        cache: Cache decoded images on disk, which makes the next training on these files start faster.
        tensorboard: Write TensorBoard event files into the folder out.
        resume: Resume the training in the folder out.
        overwrite: Replace the folder out.
    """
    from teamvla_learn.baselines.registry import checkpoint_folder
    from teamvla_learn.policies.checkpoint import architecture_of, load_checkpoint
    from teamvla_learn.train.init_from import check_kept
    from teamvla_learn.train.run import TrainingJob, run_training
    from teamvla_learn.train.settings import check_options, layered_settings

    init_from = checkpoint_folder(init_from) if init_from else None
    architecture = settings.policy if settings else architecture_of(init_from) if init_from else None
    below = layered_settings(preset, config, architecture)
    settings = settings or below
    if init_from is None:
        check_options(settings, below)
    else:
        check_kept(load_checkpoint(init_from).policy, init_from, settings, below, preset, config)
    run_training(
        TrainingJob(
            demos=demos,
            out=out,
            settings=settings,
            init_from=init_from,
            threads=threads,
            cache=cache,
            tensorboard=tensorboard,
            resume=resume,
            overwrite=overwrite,
        )
    )
    if os.environ.get("RANK", "0") == "0":  # under torchrun only the first process prints
        print(f"wrote {out}")


def _run_arguments(prog: str, args: Sequence[str]) -> Any:
    """Parse a command line with the defaults of its preset and YAML files, and train."""
    from teamvla_learn.train.settings import SettingsArgument, settings_below

    train.__annotations__["settings"] = SettingsArgument  # deferred: the options of the network need torch
    return tyro.cli(partial(train, settings=settings_below(args)), prog=prog, args=args)


train.__dict__["run_arguments"] = _run_arguments  # called by ``teamvla`` in place of its own parser
