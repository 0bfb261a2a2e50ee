"""Evaluation of one policy on one task: settings, environment and episodes."""

import os
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from teamvla_envs.errors import UserError
from teamvla_envs.policies import make_policy
from teamvla_envs.seeds import episode_seeds

from teamvla_eval.metrics.episode_meter import Meter
from teamvla_eval.metrics.episode_record import NOTHING_MEASURED, EpisodeRecord, Measured, Suite
from teamvla_eval.rollout.suite import EpisodeCallback, finished_episodes
from teamvla_eval.rollout.swapped_goals import SwappedGoals

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.policies import Policy

    from teamvla_eval.rollout.recorder import StateRecorder

# A checkpoint lists all environment arguments of its demonstrations; for these the benchmark has its own values.
_BENCHMARK_DECIDES = ("task", "max_episode_steps", "reward_mode", "render_mode", "device")


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings that all policies of a comparison share.

    Attributes:
        episodes: Episodes per policy and task.
        seed_set: test, validation or train; the sets are disjoint.
        offset: Number of seeds of the set to skip.
        num_arms: Arms in the scene.
        randomization: Randomization of the scene.
        split: Instructions, sizes, shades and arrangements of colors: train or unseen.
        num_envs: Worlds that run at the same time; the episodes are the same for any number. The actions of a network
            can differ in the last digits, because it rounds differently in another batch size.
        threads: CPU threads for physics and networks; by default each library chooses.
        device: Device of the simulation.
        deterministic: Let policies decide on one world at a time: slower, and records are the same for any num-envs.
        freeze_arm: Ablation: this arm does not move.
        drop_messages: Ablation: share of the messages between arms that get lost.
        swap_instruction: Ablation: the instruction names another goal of the same scene; both goals are judged.
        blind: Ablation: the camera images are black.
    """

    episodes: int = 100
    seed_set: str = "test"
    offset: int = 0
    num_arms: int = 2
    randomization: str = "default"
    split: str = "train"
    num_envs: int = 16
    threads: int | None = None
    device: str = "cpu"
    deterministic: bool = False
    freeze_arm: int | None = None
    drop_messages: float | None = None
    swap_instruction: bool = False
    blind: bool = False

    def __post_init__(self) -> None:
        for name in ("episodes", "num_envs", "num_arms"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.threads is not None and self.threads < 1:
            raise UserError(f"threads is {self.threads}, expected at least 1")
        if self.freeze_arm is not None and not 0 <= self.freeze_arm < self.num_arms:
            raise UserError(f"freeze_arm is {self.freeze_arm}, the arms are 0 to {self.num_arms - 1}")
        if self.drop_messages is not None and not 0 <= self.drop_messages <= 1:
            raise UserError(f"drop_messages is {self.drop_messages}, expected a share from 0 to 1")
        episode_seeds(self.seed_set, self.episodes, self.offset)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-able values."""
        return asdict(self)


@contextmanager
def open_env(policy: "Policy", name: str, task: str, settings: EvaluationSettings) -> Generator["TeamVectorEnv"]:
    """Open the environment that settings and policy require, with the policy bound; closed on exit.

    Raises:
        UserError: If the policy cannot act in this task under these settings.
    """
    from gymnasium.vector import AutoresetMode
    from teamvla_envs.env.vector import TeamVectorEnv

    limit_network_threads(settings.threads)
    env = TeamVectorEnv(
        task,
        num_envs=min(settings.num_envs, settings.episodes),
        autoreset_mode=AutoresetMode.DISABLED,
        **_env_kwargs(policy, name, settings),
    )
    try:
        try:
            policy.bind(env)
        except ValueError as error:
            raise UserError(f"policy {name} does not fit task {task}: {error}") from error
        yield env
    finally:
        env.close()


def evaluate(
    env: "TeamVectorEnv",
    policy: "Policy",
    name: str,
    settings: EvaluationSettings,
    progress: EpisodeCallback | None = None,
    record: "StateRecorder | None" = None,
    known: Measured = NOTHING_MEASURED,
) -> Suite:
    """Run a policy over the seeds of the settings.

    Args:
        env: Environment from :func:`open_env`.
        policy: The policy.
        name: Name of the policy in the results.
        settings: Settings with the seeds.
        progress: Called with each record as its episode ends.
        record: Keeps the states of chosen episodes.
        known: Episodes of an earlier run, which are not run again.
    """
    seeds = episode_seeds(settings.seed_set, settings.episodes, settings.offset).tolist()
    records = {seed: known.records[seed] for seed in seeds if seed in known.records}
    began = time.perf_counter()
    missing = [seed for seed in seeds if seed not in records]
    for finished in measured_episodes(env, policy, settings, missing, record):
        records[finished.seed] = finished
        if progress is not None:
            progress(finished)
    wall = round(known.wall_s + time.perf_counter() - began, 3)
    return Suite(name, env.task_name, tuple(records[seed] for seed in seeds), wall_s=wall)


def measured_episodes(
    env: "TeamVectorEnv",
    policy: "Policy",
    settings: EvaluationSettings,
    seeds: Sequence[int],
    record: "StateRecorder | None" = None,
) -> Iterator[EpisodeRecord]:
    """Run one episode per seed under the settings and yield each record as its episode ends.

    Args:
        env: Environment from :func:`open_env`.
        policy: The policy.
        settings: Settings of the evaluation.
        seeds: Seeds of the episodes.
        record: Keeps the states of chosen episodes.
    """
    swap = SwappedGoals(env) if settings.swap_instruction else None
    for _, finished in finished_episodes(env, policy, seeds, record, Meter(env), swap):
        yield finished


def load_policy(spec: str, trust: bool = False) -> "Policy":
    """Make a policy for evaluation; see :func:`teamvla_envs.policies.make_policy`.

    Raises:
        UserError: If there is no such policy, its files cannot be read, or it needs trust; names the policy.
    """
    # Waiting threads of OpenMP must not spin: physics and rendering need the cores. Read when OpenMP is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return make_policy(spec, trust)
    except (ValueError, OSError) as error:
        if isinstance(error, UserError) and spec in str(error):
            raise
        raise UserError(f"policy {spec}: {error}") from error


def limit_network_threads(threads: int | None) -> None:
    """Set the number of torch threads, if torch is loaded; None leaves the default."""
    torch = sys.modules.get("torch")
    if torch is not None and threads is not None:
        torch.set_num_threads(threads)


def _env_kwargs(policy: "Policy", name: str, settings: EvaluationSettings) -> dict[str, Any]:
    """Environment arguments: observations and action mode of the policy, everything else from the settings."""
    needed = {key: value for key, value in policy.env_kwargs.items() if key not in _BENCHMARK_DECIDES}
    if needed.get("num_arms", settings.num_arms) != settings.num_arms:
        raise UserError(
            f"policy {name} acts for {needed['num_arms']} arms, asked for {settings.num_arms}: "
            f"pass --num-arms {needed['num_arms']}"
        )
    wanted = {
        "num_arms": settings.num_arms,
        "randomization": settings.randomization,
        "split": settings.split,
        "num_threads": settings.threads,
        "device": settings.device,
    }
    return {**needed, **wanted}
