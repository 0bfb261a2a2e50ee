"""``teamvla quickstart``: demonstrations, training, evaluation and report on a small scale."""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from teamvla_envs.console import tolerant_stdout
from teamvla_envs.errors import UserError
from teamvla_envs.files import write_text
from teamvla_envs.provenance import installed_versions

from teamvla_eval.commands.bench import bench_command, known_tasks
from teamvla_eval.commands.resuming import finishing, journaled, resumable
from teamvla_eval.commands.run_folder import RunFolder, open_run_folder
from teamvla_eval.metrics.episode_record import Suite
from teamvla_eval.report.console import print_results
from teamvla_eval.report.format import minutes_and_seconds
from teamvla_eval.results.journal import JOURNAL, Journal, measurement
from teamvla_eval.results.results import BenchResults, read_results
from teamvla_eval.rollout.evaluate import EvaluationSettings, evaluate, load_policy, open_env

if TYPE_CHECKING:
    from teamvla_learn.train.settings import Settings

    from teamvla_eval.metrics.episode_record import EpisodeRecord
    from teamvla_eval.report.quickstart_report import Training

LEARNED = "learned"
DEMOS, POLICY, VIDEOS, REPORT = "demos.hdf5", "policy", "videos", "report.html"
RESULTS = ("results.json", "results.md", "results.tex", "episodes.csv")
PRODUCTS = (DEMOS, f"{DEMOS}.parts", POLICY, VIDEOS, JOURNAL, *RESULTS, REPORT)
STAGES = {"collect": "Demonstrations", "train": "Training", "evaluate": "Evaluation, videos", "report": "Report"}
IMAGE_SIZE = 64  # [px] of every camera the policy sees
LEARNED_VIDEOS, LEARNED_FAILURES = 5, 2  # videos of the learned policy, and how many of them show failures


@dataclass(frozen=True)
class Plan:
    """Settings of a quickstart, which determine everything in its folder."""

    task: str
    demos: int
    steps: int
    episodes: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("demos", "steps", "episodes"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name} is {getattr(self, name)}, expected more than 0")


@dataclass(frozen=True)
class Stage:
    """Stage of the quickstart.

    Attributes:
        name: Name in the run folder.
        heading: Heading in the terminal.
        explanation: Explanation in the terminal.
        run: Function that runs the stage.
    """

    name: str
    heading: str
    explanation: str
    run: Callable[[], None]


def quickstart(
    out: Path = Path("runs/quickstart"),
    task: str = "lift",
    demos: int = 300,
    steps: int | None = None,
    episodes: int = 50,
    seed: int = 0,
    threads: int | None = None,
    overwrite: bool = False,
) -> None:
    """Collect demonstrations, train a policy on them, measure it on unseen episodes, write a report.

    The same command resumes an interrupted run; the results of a finished run are shown again.

    Args:
        out: Folder for demonstrations, checkpoint, results and report.html.
        task: Task name.
        demos: Demonstrations to collect.
        steps: Training steps; by default those of the task's configuration.
        episodes: Unseen episodes per policy.
        seed: Seed of the training: weights and shuffling.
        threads: CPU threads; all cores by default.
        overwrite: Delete the products of an earlier run in the folder.
    """
    began = time.perf_counter()
    if importlib.util.find_spec("teamvla_learn") is None:
        raise UserError("quickstart trains a policy, which needs teamvla-learn: pip install 'teamvla-eval[learn]'")
    known_tasks([task])
    plan = Plan(task, demos, _steps(task) if steps is None else steps, episodes, seed)
    folder = open_run_folder(out, asdict(plan), PRODUCTS, overwrite)
    _say(f"Everything goes to {out}; stop with Ctrl-C, the same command resumes.")
    for number, stage in enumerate(stages := _stages(folder, plan, threads), start=1):
        _say(f"\n[{number}/{len(stages)}] {stage.heading}")
        if stage.name in folder.stages:
            _say(f"      finished before, in {minutes_and_seconds(folder.stages[stage.name])}")
        else:
            _say(f"      {stage.explanation}")
            _run(stage, folder)
            _say(f"      finished in {minutes_and_seconds(folder.stages[stage.name])}")
    _say("")
    with tolerant_stdout():
        print_results(read_results(out / "results.json"))
    _say(f"Open {out / REPORT} in a browser: success, videos, learning curve.")
    _say(f"The policy is in {out / POLICY}, the demonstrations in {out / DEMOS}.")
    _say(f"Done in {minutes_and_seconds(time.perf_counter() - began)}.")


def _stages(folder: RunFolder, plan: Plan, threads: int | None) -> tuple[Stage, ...]:
    return (
        Stage(
            "collect",
            f"Collect {plan.demos} demonstrations",
            f"The scripted expert solves {plan.demos} episodes, recorded by cameras of {IMAGE_SIZE} pixels.",
            lambda: _collect(folder, plan),
        ),
        Stage(
            "train",
            f"Train a policy for {plan.steps:,} steps",
            "One small network learns to act for both arms from images, joints and the instruction.",
            lambda: _train(folder, plan, threads),
        ),
        Stage(
            "evaluate",
            f"Evaluate on {plan.episodes} unseen episodes",
            "The learned policy, random actions and the expert run on the same new scenes and instructions.",
            lambda: _evaluate(folder, plan, threads),
        ),
        Stage(
            "report",
            "Write the report",
            "Success, videos and learning curve in one HTML file.",
            lambda: _report(folder, plan),
        ),
    )


def _run(stage: Stage, folder: RunFolder) -> None:
    began = time.perf_counter()
    try:
        stage.run()
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or "the same command resumes from here") from None
    folder.finish(stage.name, time.perf_counter() - began)


def _collect(folder: RunFolder, plan: Plan) -> None:
    from teamvla_envs.demos.collect import collect
    from teamvla_envs.demos.settings import CollectConfig, CollectionSettings

    if (folder.path / DEMOS).exists() and not (folder.path / f"{DEMOS}.parts").exists():
        return  # the run was killed right after packing
    settings = CollectionSettings(plan.task, image_size=IMAGE_SIZE)
    collect(CollectConfig(settings, plan.demos, folder.path / DEMOS))


def _settings(task: str) -> "Settings":
    """Training settings of a task: the shipped configuration of its name, if there is one."""
    from teamvla_learn.train.settings import layered_settings, shipped_configs

    return layered_settings(configs=[Path(task)] if task in shipped_configs() else [])


def _steps(task: str) -> int:
    """Number of training steps in the configuration of a task."""
    steps = _settings(task).train.budget.steps
    if steps is None:
        raise UserError(f"steps is not given, expected more than 0: the configuration of {task} has no number of steps")
    return steps


def _train(folder: RunFolder, plan: Plan, threads: int | None) -> None:
    from teamvla_learn.train.config import Budget
    from teamvla_learn.train.run import TrainingJob, run_training

    out = folder.path / POLICY
    settings = _settings(plan.task)
    settings = replace(settings, train=replace(settings.train, budget=Budget(steps=plan.steps), seed=plan.seed))
    run_training(TrainingJob((folder.path / DEMOS,), out, settings, threads=threads, resume=out.exists()))


def _evaluate(folder: RunFolder, plan: Plan, threads: int | None) -> None:
    from teamvla_eval.report.clip_files import choose_episodes, write_clip
    from teamvla_eval.report.videos import make_clip
    from teamvla_eval.rollout.recorder import StateRecorder
    from teamvla_eval.rollout.suite import run_suite

    settings = EvaluationSettings(episodes=plan.episodes, threads=threads)
    suites: list[Suite] = []
    shown: list[EpisodeRecord] = []
    specs = _policies(folder)
    measured = measurement("quickstart", settings.to_json(), [plan.task], tuple(specs.values()), installed_versions())
    journal = Journal(folder.path / JOURNAL, measured)
    with resumable(journal):
        for name, spec in specs.items():
            policy, recorder = load_policy(spec), None if name == "random" else StateRecorder()
            with open_env(policy, name, plan.task, settings) as env:
                with journaled(journal, name, plan.task, plan.episodes, f"      {name}") as (known, finished):
                    suites.append(evaluate(env, policy, name, settings, finished, recorder, known))
                if recorder is None:
                    continue
                if name == LEARNED:
                    shown = choose_episodes(suites[-1].records, LEARNED_VIDEOS, LEARNED_FAILURES)
                else:  # the expert in the scene of the learned policy's last video
                    shown = [record for record in suites[-1].records if record.seed == shown[-1].seed]
                earlier = [record.seed for record in shown if record.seed not in recorder.seeds]
                run_suite(env, policy, earlier, record=recorder)
                _say(f"      {name}: rendering {len(shown)} videos")
                for record in shown:
                    clip = make_clip(env, recorder.trajectory(record.seed), name, record)
                    write_clip(folder.path / VIDEOS, clip)
        with finishing(journal):
            from teamvla_eval.report.result_files import write_results

            command = bench_command(tuple(specs.values()), [plan.task], settings)
            results = BenchResults(command, installed_versions(), settings.to_json(), tuple(suites))
            write_results(results, folder.path)


def _report(folder: RunFolder, plan: Plan) -> None:
    from teamvla_eval.metrics.summary import summarize
    from teamvla_eval.report.clip_files import read_clips
    from teamvla_eval.report.quickstart_report import Report, render_report

    results = read_results(folder.path / "results.json")
    learned = summarize(results.suite(LEARNED, plan.task).records)
    page = render_report(
        Report(
            eyebrow="TeamVLA quickstart",
            title=f"Two arms, one instruction: {plan.task.capitalize()}",
            lead=(
                f"After {plan.steps:,} steps of training on {plan.demos} demonstrations, the policy "
                f"solves {learned.successes} of {learned.episodes} unseen episodes. "
                f"It acts on cameras of {IMAGE_SIZE} pixels, its joints and the instruction."
            ),
            results=results,
            clips=read_clips(folder.path / VIDEOS, results),
            commands=(_quickstart_command(folder, plan), results.command),
            training=_training(folder),
        )
    )
    write_text(folder.path / REPORT, page)


def _training(folder: RunFolder) -> "Training":
    from teamvla_learn.train.logging import read_log

    from teamvla_eval.report.quickstart_report import Training

    rows = read_log(folder.path / POLICY)
    return Training(
        minutes=[row["time_s"] / 60 for row in rows],
        losses={
            "training": [row["train"]["total"] for row in rows],
            "validation": [row["valid"]["total"] if "valid" in row else None for row in rows],
        },
        stages={STAGES[name]: duration for name, duration in folder.stages.items()},
    )


def _policies(folder: RunFolder) -> dict[str, str]:
    return {LEARNED: str(folder.path / POLICY), "random": "random", "expert": "expert"}


def _quickstart_command(folder: RunFolder, plan: Plan) -> str:
    options = [f"--{name} {value}" for name, value in asdict(plan).items()]
    return " ".join(["teamvla quickstart --out", str(folder.path), *options])


def _say(line: str) -> None:
    with tolerant_stdout():
        print(line)
