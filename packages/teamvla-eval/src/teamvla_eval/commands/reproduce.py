"""``teamvla reproduce``: a results file, run again and compared episode by episode."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from teamvla_envs.console import tolerant_stdout
from teamvla_envs.errors import UserError
from teamvla_envs.files import check_folder
from teamvla_envs.policies import PolicySpec

from teamvla_eval.commands.bench import bench_command, known_tasks, open_journal
from teamvla_eval.commands.benchmark import run_benchmark
from teamvla_eval.commands.resuming import finishing, resumable
from teamvla_eval.metrics.episode_record import EpisodeRecord
from teamvla_eval.metrics.table import registered_metrics
from teamvla_eval.results.results import BenchResults, read_results
from teamvla_eval.rollout.evaluate import EvaluationSettings, load_policy

SHOWN = 20  # differing episodes that are listed


@dataclass(frozen=True)
class Difference:
    """Episode whose record differs.

    Attributes:
        policy: Name of the policy.
        task: Task name.
        seed: Seed of the episode.
        values: Field to its value in the file and its new value.
    """

    policy: str
    task: str
    seed: int
    values: Mapping[str, tuple[Any, Any]]

    def __str__(self) -> str:
        changes = ", ".join(f"{name} {before!r} -> {now!r}" for name, (before, now) in self.values.items())
        return f"{self.policy} on {self.task}, seed {self.seed}: {changes}"


def reproduce(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RESULTS_JSON")],
    num_envs: int | None = None,
    threads: int | None = None,
    trust: tyro.conf.FlagCreatePairsOff[bool] = False,
    out: Path | None = None,
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> int:
    """Run a results file again with its settings and compare every episode.

    With --out, the same command resumes an interrupted run.

    Args:
        file: A results.json that teamvla bench wrote.
        num_envs: Other number of worlds than the file's.
        threads: Other number of threads than the file's.
        trust: Run policies that are code: module:attribute, and sb3:FILE, which is a pickle.
        out: Folder for the new results.
        overwrite: Discard the episodes of an interrupted run in the folder instead of resuming it.

    Returns:
        0 when every record is identical, else 1.
    """
    try:
        before = read_results(file)
    except ValueError as error:
        raise UserError(str(error)) from error
    settings = settings_of(before)
    settings = replace(settings, num_envs=num_envs or settings.num_envs, threads=threads or settings.threads)
    for suite in before.suites:
        if len(suite.records) != settings.episodes:
            found = f"{len(suite.records)} episodes of {suite.policy} on {suite.task}"
            raise UserError(f"{file} has {found}, its settings say {settings.episodes}")
    tasks = known_tasks(before.tasks)
    if out is not None:
        check_folder(out)
    policies = {}
    for name in before.policies:
        if PolicySpec.parse(name).runs_foreign_code and not trust:
            raise UserError(f"policy {name} of {file} is code that would run; pass --trust if you trust it")
        policies[name] = load_policy(name, trust)
    journal = None
    if out is not None:
        program = f"reproduce {hashlib.sha256(file.read_bytes()).hexdigest()}"
        journal = open_journal(program, out, settings, tasks, before.policies, overwrite)
    command = bench_command(before.policies, tasks, settings)
    with resumable(journal):
        now = run_benchmark(policies, tasks, settings, command, trust=trust, journal=journal).results
        if out is not None:
            with finishing(journal):
                from teamvla_eval.report.result_files import write_results

                write_results(now, out)
    with tolerant_stdout():
        report_differences(before, now)
    return 1 if differences(before, now) else 0


def settings_of(results: BenchResults) -> EvaluationSettings:
    """Settings of a results file.

    Raises:
        UserError: If it has a setting that this version does not know, or one of the wrong type.
    """
    known = {field.name: field.default for field in fields(EvaluationSettings)}
    for name, value in results.settings.items():
        if name not in known:
            raise UserError(f"settings.{name} is unknown to this version, known are {', '.join(known)}")
        default = known[name]
        if default is not None and type(value) is not type(default):
            raise UserError(f"settings.{name} is {value!r:.60}, expected {type(default).__name__}")
        numbers = (int, float) if name == "drop_messages" else int
        if default is None and value is not None and (isinstance(value, bool) or not isinstance(value, numbers)):
            raise UserError(f"settings.{name} is {value!r:.60}, expected a number or null")
    return EvaluationSettings(**results.settings)


def differences(before: BenchResults, now: BenchResults) -> list[Difference]:
    """Every episode whose record is not the same in all fields, in the order of the file."""
    found = []
    for suite in before.suites:
        again = {record.seed: record for record in now.suite(suite.policy, suite.task).records}
        for record in suite.records:
            values = _changed(record, again.get(record.seed))
            if values:
                found.append(Difference(suite.policy, suite.task, record.seed, values))
    return found


def report_differences(before: BenchResults, now: BenchResults) -> None:
    """Print the differing episodes of two runs, and differences in versions and hardware."""
    episodes = sum(len(suite.records) for suite in before.suites)
    found = differences(before, now)
    for kind in ("versions", "hardware"):
        old, new = getattr(before, kind), getattr(now, kind)
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                print(f"{kind}: {name} was {old.get(name)}, is {new.get(name)}")
    for difference in found[:SHOWN]:
        print(difference)
    if len(found) > SHOWN:
        print(f"and {len(found) - SHOWN} more")
    outcomes = sum("success" in difference.values for difference in found)
    if found:
        print(f"{len(found)} of {episodes} episodes differ, {outcomes} of them in success")
    else:
        print(f"all {episodes} episodes are identical")


def _changed(before: EpisodeRecord, now: EpisodeRecord | None) -> dict[str, tuple[Any, Any]]:
    if now is None:
        return {"episode": ("there", "missing")}
    old, new = before.to_json(), now.to_json()
    # Metrics of packages that were not installed when the file was written.
    skipped = {metric.name for metric in registered_metrics() if before.metrics[metric.name] == metric.default}
    return {name: (old[name], new[name]) for name in old if old[name] != new[name] and name not in skipped}
