"""``teamvla bench``: success rates of policies on tasks, with intervals, on seeds nobody trained on."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from teamvla_envs.errors import UserError

from teamvla_eval.console import episode_progress, print_results
from teamvla_eval.evaluate import EvaluationSettings, evaluate, open_env
from teamvla_eval.results import BenchResults, check_folder, write_results
from teamvla_eval.versions import installed_versions

if TYPE_CHECKING:
    from teamvla_envs.policies import Policy

# Several values after one flag or the flag several times: --policy a b, --policy a --policy b.
Policies = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="SPEC [SPEC ...]")]
Tasks = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="TASK [TASK ...]")]


def bench(
    policy: Policies = (),
    tasks: Tasks = (),
    episodes: int = 100,
    seed_set: str = "test",
    offset: int = 0,
    num_arms: int = 2,
    randomization: str = "default",
    split: str = "train",
    num_envs: int = 16,
    threads: int | None = None,
    out: Path | None = None,
) -> None:
    """Measure success rates of policies on tasks, with 95% intervals, on held-out seeds.

    Args:
        policy: expert, random, zero, a checkpoint folder such as runs/x, or module:attribute.
        tasks: Task names; all registered tasks when not given.
        episodes: Episodes per policy and task.
        seed_set: test, validation or train; the sets are disjoint.
        offset: Leave out so many seeds of the set first.
        num_arms: Arms in the scene.
        randomization: Randomization of the scene.
        split: Sentences and object combinations: train or unseen.
        num_envs: Worlds that run side by side; the episodes are the same for any number.
        threads: CPU threads for physics and networks; by default each library chooses.
        out: Folder for results.json and results.md; made when it does not exist.
    """
    names = _flat(policy)
    if not names:
        raise UserError("policy is missing: name one or more, e.g. --policy expert random")
    settings = EvaluationSettings(episodes, seed_set, offset, num_arms, randomization, split, num_envs, threads)
    chosen = known_tasks(_flat(tasks))
    if out is not None:
        check_folder(out)
    policies = {name: load_policy(name) for name in names}
    suites = []
    for name, loaded in policies.items():
        for task in chosen:
            with (
                open_env(loaded, name, task, settings) as env,
                episode_progress(f"{task} · {name}", episodes) as progress,
            ):
                suites.append(evaluate(env, loaded, name, settings, progress))
    results = BenchResults(
        command=bench_command(tuple(policies), chosen, settings),
        versions=installed_versions(),
        settings=settings.to_json(),
        suites=tuple(suites),
    )
    print_results(results)
    if out is not None:
        write_results(results, out)
        print(f"wrote {out / 'results.md'} and {out / 'results.json'}")


def load_policy(name: str) -> "Policy":
    """Make a policy from its specification.

    Raises:
        UserError: If there is no such policy, or its checkpoint cannot be read.
    """
    from teamvla_envs.policies import make_policy

    # Network threads that spin while they wait take the cores from physics and rendering; OpenMP reads it on import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return make_policy(name)
    except (ValueError, OSError) as error:
        raise UserError(f"policy {name}: {error}") from error


def bench_command(policies: Sequence[str], tasks: Sequence[str], settings: EvaluationSettings) -> str:
    """The command line that repeats a run; options at their default are left out."""
    words = ["teamvla", "bench", "--policy", *policies, "--tasks", *tasks]
    defaults = EvaluationSettings().to_json()
    for key, value in settings.to_json().items():
        if key == "episodes" or value != defaults[key]:
            words += [f"--{key.replace('_', '-')}", str(value)]
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


def _flat(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The values of all uses of a flag, without repetition."""
    return tuple(dict.fromkeys(value for group in groups for value in group))
