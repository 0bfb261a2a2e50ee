"""Rounds of DAgger: rollouts, then training from the last weights on all demonstrations so far."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from teamvla_envs.errors import UserError
from teamvla_envs.files import write_text
from teamvla_envs.interrupts import deferred_interrupts
from teamvla_envs.outside import read_json

from teamvla_learn.config_io import check_at_least, leaves, to_plain
from teamvla_learn.dagger.collecting import RolloutSettings, collect_round
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.checkpoint_info import CheckpointInfo
from teamvla_learn.train.run import TrainingJob, run_training
from teamvla_learn.train.run_folder import check_out
from teamvla_learn.train.settings import Settings

PLAN_FILE = "dagger.json"


@dataclass(frozen=True)
class DaggerJob:
    """Arguments of a DAgger run.

    Attributes:
        demos: Demonstration files that the learner was trained on.
        init_from: Checkpoint folder of the learner.
        out: Folder of the rounds: ``round_1/`` is a checkpoint, ``round_1_lift.hdf5`` its new demonstrations.
        rounds: Number of rounds.
        rollouts: Settings of the rollouts.
        settings: Settings of the trainings.
        threads: CPU threads.
    """

    demos: tuple[Path, ...]
    init_from: Path
    out: Path
    rounds: int = 2
    rollouts: RolloutSettings = field(default_factory=RolloutSettings)
    settings: Settings = field(default_factory=Settings)
    threads: int | None = None


def run_dagger(job: DaggerJob) -> Path:
    """Run all rounds, or resume an interrupted run; returns the checkpoint folder of the last round.

    Raises:
        UserError: For invalid input.
    """
    check_at_least(job, 1, "rounds")
    with deferred_interrupts():
        try:
            return _run_rounds(job)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command continues") from None


def _run_rounds(job: DaggerJob) -> Path:
    tasks = _tasks(job, load_checkpoint(job.init_from).info)
    finished = _finished_rounds(job)
    learner, files = job.init_from, list(job.demos)
    for number in range(1, job.rounds + 1):
        new = [job.out / f"round_{number}_{task}.hdf5" for task in tasks]
        folder = job.out / f"round_{number}"
        if number > finished:
            kept = [
                collect_round(learner, tasks[task], path, number, job.rollouts, job.threads)
                for task, path in zip(tasks, new, strict=True)
            ]
            if not any(kept):
                print(f"no corrections in round {number}: the last policy is {learner}")
                return learner
            resume = folder.exists()
            check_out(folder, resume, overwrite=False)
            present = [*files, *(path for path in new if path.exists())]
            run_training(
                TrainingJob(present, folder, job.settings, init_from=learner, threads=job.threads, resume=resume)
            )
            _write_plan(job, number)
        files += [path for path in new if path.exists()]
        learner = folder
    return learner


def _tasks(job: DaggerJob, info: CheckpointInfo) -> dict[str, Path]:
    """Return each task of the learner and a demonstration file of it."""
    from teamvla_envs.demos.reader import open_demos

    found: dict[str, Path] = {}
    for path in job.demos:
        try:
            with open_demos(path) as file:
                found.setdefault(str(file.env_kwargs.get("task")), path)
        except OSError as error:
            raise UserError(f"cannot read demonstrations {path}: {error.strerror or error}") from error
    if missing := [task for task in info.tasks if task not in found]:
        raise UserError(f"demos has no file of {missing[0]}, which {job.init_from} was trained on")
    return {task: found[task] for task in info.tasks}


def _finished_rounds(job: DaggerJob) -> int:
    """Return the number of rounds that an earlier run of the same job finished; record a new job."""
    path = job.out / PLAN_FILE
    if not path.exists():
        if job.out.exists() and any(job.out.iterdir()):
            raise UserError(f"out is {job.out}, which is not empty and holds no {PLAN_FILE}: use another folder")
        job.out.mkdir(parents=True, exist_ok=True)
        _write_plan(job, 0)
        return 0
    try:
        found = read_json(path)
        recorded, finished = leaves(found["plan"]), int(found["finished"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    for name, wanted in leaves(_plan(job)).items():
        if recorded.get(name) != wanted:
            raise UserError(
                f"{job.out} was started with {name} {recorded.get(name)}, now it is {wanted}: use another folder"
            )
    return finished


def _write_plan(job: DaggerJob, finished: int) -> None:
    write_text(job.out / PLAN_FILE, json.dumps({"plan": _plan(job), "finished": finished}, indent=1))


def _plan(job: DaggerJob) -> dict[str, object]:
    """Return the arguments that must not change between the runs of a job; more rounds may be added."""
    plain = to_plain(replace(job, demos=(), init_from=Path(), out=Path()))
    names = {"demos": [path.name for path in job.demos], "init_from": job.init_from.name}
    return json.loads(json.dumps(names | {"driving": plain["rollouts"], "settings": plain["settings"]}))
