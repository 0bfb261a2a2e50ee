"""``teamvla bench``: success rates of policies on tasks, with intervals, on held-out seeds."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from teamvla_envs.cli import one_line
from teamvla_envs.cluster.engine import ClusterConfig
from teamvla_envs.console import tolerant_stdout, warn
from teamvla_envs.errors import UserError
from teamvla_envs.files import check_folder, write_text
from teamvla_envs.interrupts import check_interrupt
from teamvla_envs.provenance import installed_versions

from teamvla_eval.commands.benchmark import run_benchmark
from teamvla_eval.commands.resuming import finishing, resumable
from teamvla_eval.report.console import print_comparisons, print_results
from teamvla_eval.results.history_file import append_history, history_file
from teamvla_eval.results.journal import JOURNAL, Journal, measurement
from teamvla_eval.results.results import BenchResults
from teamvla_eval.rollout.evaluate import EvaluationSettings, load_policy

# Several values after one flag or the flag several times: --policy a b, --policy a --policy b.
Policies = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="SPEC [SPEC ...]")]
Tasks = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="TASK [TASK ...]")]


@dataclass(frozen=True)
class OutputConfig:
    """Files that a run writes.

    Attributes:
        out: Folder for results.json, results.md, results.tex, episodes.csv and report.html; made if missing.
        overwrite: Discard the episodes of an interrupted run in the folder instead of resuming it.
        videos: Videos per policy and task in the report, half of them of failures if there are that many.
        history: File to append a line to; by default TEAMVLA_HISTORY or one in the user's data folder.
        no_history: Append nothing to the history.
    """

    out: Path | None = None
    overwrite: bool = False
    videos: int = 0
    history: Path | None = None
    no_history: bool = False

    def __post_init__(self) -> None:
        if self.videos < 0:
            raise UserError(f"videos is {self.videos}, expected 0 or more")
        if self.out is None and (self.videos or self.overwrite):
            raise UserError(f"{'videos need' if self.videos else 'overwrite needs'} a folder: pass --out")


@dataclass(frozen=True)
class BenchConfig:
    """Configuration of ``teamvla bench``.

    Attributes:
        policy: expert, random, zero, baseline:NAME, a checkpoint folder such as runs/x, sb3:FILE or module:attribute.
        tasks: Task names; all registered tasks by default.
        compare: Two policies to measure and to compare episode by episode (McNemar, bootstrap).
        evaluation: Settings that all policies share.
        output: Files that are written.
        cluster: Processes in which episodes run.
        trust: Read sb3:FILE, a pickle, which can run any code.
        fail_under: Exit with code 1 when the first policy's success rate on any task is below this share.
    """

    policy: Policies = ()
    tasks: Tasks = ()
    compare: tuple[str, str] | None = None
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    output: OutputConfig = field(default_factory=OutputConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    trust: bool = False
    fail_under: float | None = None

    def __post_init__(self) -> None:
        if not self.policies:
            raise UserError("policy is missing: name one or more, e.g. --policy expert random")
        if self.fail_under is not None and not 0 <= self.fail_under <= 1:
            raise UserError(f"fail-under is {self.fail_under}, expected a share from 0 to 1, such as 0.9")

    @property
    def policies(self) -> tuple[str, ...]:
        """Specifications of the policies to measure, without repetition."""
        return _flat((*self.policy, self.compare or ()))


Flags = Annotated[BenchConfig, tyro.conf.arg(name=""), tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff]


def bench(config: Flags) -> int:
    """Measure success rates of policies on tasks, with 95% intervals, on held-out seeds.

    With --out, the same command resumes an interrupted run.

    Args:
        config: Policies, tasks, settings and output.

    Returns:
        1 when --fail-under is not reached, else 0.
    """
    settings, out = config.evaluation, config.output.out
    engine = config.cluster.reach(settings.threads or 1)
    chosen = known_tasks(_flat(config.tasks))
    if out is not None:
        check_folder(out)
    policies = {name: load_policy(name, config.trust) for name in config.policies}
    command = bench_command(tuple(policies), chosen, settings)
    journal = None
    if out is not None:
        journal = open_journal("bench", out, settings, chosen, tuple(policies), config.output.overwrite)
    with resumable(journal):
        run = run_benchmark(policies, chosen, settings, command, config.output.videos, engine, config.trust, journal)
        if out is not None:
            with finishing(journal):
                from teamvla_eval.report.bench_report import render_bench_report
                from teamvla_eval.report.result_files import write_results

                check_interrupt()
                write_results(run.results, out)
                check_interrupt()
                write_text(out / "report.html", render_bench_report(run.results, run.phases, run.clips))
    if not config.output.no_history:
        try:
            append_history(run.results, config.output.history or history_file())
        except OSError as error:
            warn(f"this run is not in the history: {one_line(error)}")
    failing = _failing(run.results, config.fail_under or 0.0)
    with tolerant_stdout():
        print_results(run.results)
        print_comparisons(run.results)
        if out is not None:
            print(f"wrote report.html, results.json, results.md, results.tex and episodes.csv into {out}")
        for task, rate in failing.items():
            print(f"{run.results.policies[0]} on {task}: success {rate:.3f} is under {config.fail_under}")
    return 1 if failing else 0


def open_journal(
    program: str,
    out: Path,
    settings: EvaluationSettings,
    tasks: Sequence[str],
    policies: Sequence[str],
    overwrite: bool = False,
) -> Journal:
    """Open the journal of a measurement in its folder, with the episodes of an interrupted run.

    Args:
        program: Name of the measuring program.
        out: The folder.
        settings: Settings that all policies share.
        tasks: Task names.
        policies: Specifications of the policies, which have been loaded.
        overwrite: Whether to discard the episodes of an interrupted run.

    Raises:
        UserError: If the folder has the journal of another measurement, or another process is writing to it.
    """
    expected = measurement(program, settings.to_json(), tasks, policies, installed_versions())
    return Journal(out / JOURNAL, expected, overwrite)


def bench_command(policies: Sequence[str], tasks: Sequence[str], settings: EvaluationSettings) -> str:
    """Command line that repeats a run; options at their default are left out."""
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
    """Task to success rate of the first policy, for the tasks on which it is below a share."""
    from teamvla_eval.metrics.summary import summarize

    first = results.policies[0]
    rates = {task: summarize(results.suite(first, task).records).success_rate for task in results.tasks}
    return {task: rate for task, rate in rates.items() if rate < share}


def _flat(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The values of all uses of a flag, without repetition."""
    return tuple(dict.fromkeys(value for group in groups for value in group))
