"""``teamvla bench``: success rates of policies on tasks, with intervals, on seeds nobody trained on."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from teamvla_envs.cli import one_line
from teamvla_envs.cluster.engine import Engine, choose_engine
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt

from teamvla_eval.commands.benchmark import run_benchmark
from teamvla_eval.commands.resuming import finishing, resumable
from teamvla_eval.report.console import print_comparisons, print_results
from teamvla_eval.report.output import tolerant_stdout, warn
from teamvla_eval.results.history_file import append_history, history_file
from teamvla_eval.results.journal import JOURNAL, Journal, measurement
from teamvla_eval.results.results import BenchResults, check_folder
from teamvla_eval.results.versions import installed_versions
from teamvla_eval.rollout.evaluate import EvaluationSettings, load_policy

# Several values after one flag or the flag several times: --policy a b, --policy a --policy b.
Policies = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="SPEC [SPEC ...]")]
Tasks = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="TASK [TASK ...]")]


def bench(
    policy: Policies = (),
    tasks: Tasks = (),
    compare: tuple[str, str] | None = None,
    episodes: int = 100,
    seed_set: str = "test",
    offset: int = 0,
    num_arms: int = 2,
    randomization: str = "default",
    split: str = "train",
    unseen: tyro.conf.FlagCreatePairsOff[bool] = False,
    device: str = "cpu",
    num_envs: int = 16,
    threads: int | None = None,
    deterministic: tyro.conf.FlagCreatePairsOff[bool] = False,
    freeze_arm: int | None = None,
    drop_messages: float | None = None,
    swap_instruction: tyro.conf.FlagCreatePairsOff[bool] = False,
    blind: tyro.conf.FlagCreatePairsOff[bool] = False,
    trust: tyro.conf.FlagCreatePairsOff[bool] = False,
    fail_under: float | None = None,
    videos: int = 0,
    history: Path | None = None,
    no_history: tyro.conf.FlagCreatePairsOff[bool] = False,
    out: Path | None = None,
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
) -> int:
    """Measure success rates of policies on tasks, with 95% intervals, on held-out seeds.

    With --out, the same command resumes an interrupted run.

    Args:
        policy: expert, random, zero, baseline:NAME, a checkpoint folder such as runs/x, sb3:FILE or module:attribute.
        tasks: Task names; all registered tasks when not given.
        compare: Two policies to measure and to compare episode by episode (McNemar, bootstrap).
        episodes: Episodes per policy and task.
        seed_set: test, validation or train; the sets are disjoint.
        offset: Leave out so many seeds of the set first.
        num_arms: Arms in the scene.
        randomization: Randomization of the scene.
        split: Sentences, sizes, shades and arrangements of colors: train or unseen.
        unseen: The same as --split unseen.
        device: Device of the simulation.
        num_envs: Worlds that run side by side; the episodes are the same for any number.
        threads: CPU threads for physics and networks; by default each library chooses.
        deterministic: Let policies decide on one world at a time: slower, and records are the same for any num-envs.
        freeze_arm: Ablation: this arm does not move.
        drop_messages: Ablation: share of the messages between arms that get lost.
        swap_instruction: Ablation: the sentence tells another goal of the same scene; both are judged.
        blind: Ablation: the cameras show black.
        trust: Read sb3:FILE, a pickle, which can run any code.
        fail_under: Exit with code 1 when the first policy's success rate on any task is below this share.
        videos: Videos per policy and task in the report, half of them of failures if there are that many.
        history: File to append a line to; by default TEAMVLA_HISTORY or one in the user's data folder.
        no_history: Append nothing to the history.
        out: Folder for results.json, results.md, results.tex, episodes.csv and report.html; made if missing.
        overwrite: Discard the episodes of an interrupted run in the folder instead of resuming it.
        engine: Where episodes run: local, or ray for the machines of a Ray cluster.
        workers: Processes of the Ray cluster, each with num-envs worlds and threads threads (by default 1); by default
            as many as the cluster has processors for.
        address: HOST:PORT of a running Ray cluster; by default RAY_ADDRESS, or else this machine alone.

    Returns:
        1 when --fail-under is not reached, else 0.
    """
    names = _flat((*policy, compare or ()))
    if not names:
        raise UserError("policy is missing: name one or more, e.g. --policy expert random")
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise UserError(f"fail-under is {fail_under}, expected a share from 0 to 1, such as 0.9")
    if videos < 0 or (videos and out is None):
        raise UserError(f"videos is {videos}, expected 0 or more" if videos < 0 else "videos need a folder: pass --out")
    settings = EvaluationSettings(
        episodes, seed_set, offset, num_arms, randomization, "unseen" if unseen else split, num_envs, threads, device,
        deterministic, freeze_arm, drop_messages, swap_instruction, blind,
    )  # fmt: skip
    cluster = choose_engine(engine, workers, address, threads or 1)
    chosen = known_tasks(_flat(tasks))
    if out is not None:
        check_folder(out)
    if overwrite and out is None:
        raise UserError("overwrite needs a folder: pass --out")
    policies = {name: load_policy(name, trust) for name in names}
    command = bench_command(tuple(policies), chosen, settings)
    journal = None if out is None else open_journal("bench", out, settings, chosen, tuple(policies), overwrite)
    with resumable(journal):
        run = run_benchmark(policies, chosen, settings, command, videos, cluster, trust, journal)
        if out is not None:
            with finishing(journal):
                from teamvla_eval.report.bench_report import write_bench_report
                from teamvla_eval.report.result_files import write_results

                check_interrupt()
                write_results(run.results, out)
                check_interrupt()
                write_bench_report(run.results, run.phases, run.clips, out / "report.html")
    if not no_history:
        try:
            append_history(run.results, history or history_file())
        except OSError as error:
            warn(f"this run is not in the history: {one_line(error)}")
    with tolerant_stdout():
        print_results(run.results)
        print_comparisons(run.results)
        if out is not None:
            print(f"wrote report.html, results.json, results.md, results.tex and episodes.csv into {out}")
        if fail_under is not None:
            _print_failing(run.results, fail_under)
    return 0 if fail_under is None or not _failing(run.results, fail_under) else 1


def open_journal(
    program: str,
    out: Path,
    settings: EvaluationSettings,
    tasks: Sequence[str],
    policies: Sequence[str],
    overwrite: bool = False,
) -> Journal:
    """The journal of a measurement in its folder, with the episodes of an earlier run of the same measurement.

    Args:
        program: What measures.
        out: The folder.
        settings: What all policies share.
        tasks: Task names.
        policies: Specifications of the policies, which have been loaded.
        overwrite: Discard the episodes of an earlier run.

    Raises:
        UserError: If the folder has the journal of another measurement, or another process is writing to it.
    """
    expected = measurement(program, settings.to_json(), tasks, policies, installed_versions())
    return Journal(out / JOURNAL, expected, overwrite)


def bench_command(policies: Sequence[str], tasks: Sequence[str], settings: EvaluationSettings) -> str:
    """The command line that repeats a run; options at their default are left out."""
    words = ["teamvla", "bench", "--policy", *policies, "--tasks", *tasks]
    defaults = EvaluationSettings().to_json()
    for key, value in settings.to_json().items():
        if key == "episodes" or value != defaults[key]:
            words += [f"--{key.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def known_tasks(names: Sequence[str]) -> tuple[str, ...]:
    """The task names if all are registered; all registered ones for none.

    Raises:
        UserError: For an unknown name.
    """
    from teamvla_envs.registration import registered_tasks

    known = registered_tasks()
    for name in names:
        if name not in known:
            raise UserError(f"task is {name!r}, allowed are {', '.join(known)}")
    return tuple(names) or known


def _failing(results: BenchResults, share: float) -> dict[str, float]:
    """Task to success rate of the first policy, where that is below a share."""
    from teamvla_eval.metrics.summary import summarize

    first = results.policies[0]
    rates = {task: summarize(results.suite(first, task).records).success_rate for task in results.tasks}
    return {task: rate for task, rate in rates.items() if rate < share}


def _print_failing(results: BenchResults, share: float) -> None:
    for task, rate in _failing(results, share).items():
        print(f"{results.policies[0]} on {task}: success {rate:.3f} is under {share}")


def _flat(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The values of all uses of a flag, without repetition."""
    return tuple(dict.fromkeys(value for group in groups for value in group))
