"""Success rates of the scripted experts, by task, action mode, team and level, and of policies that must fail.

``uv run python benchmarks/experts.py --out docs/experts_table.md`` runs all rows of docs/experts.md, on seeds
of the test set. ``--episodes 100`` is a quick check.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from teamvla_envs.env.saved_state import with_facts
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.registration import BUILT_IN
from teamvla_envs.seeds import episode_seeds
from teamvla_eval.metrics.summary import wilson_interval

WORLDS = 50
TAKEOVER_STEPS = 60
Actor = Callable[[TeamVectorEnv], Callable[[], np.ndarray]]


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        name: Name of the policy.
        task: Task name.
        threshold: Acceptance threshold, as text.
        share: Share of ``--episodes`` that is run.
        kwargs: Arguments of the environment.
        act: Factory of the policy.
        wander: Number of random actions before it begins.
    """

    name: str
    task: str
    threshold: str
    share: float
    act: Actor
    kwargs: dict[str, Any] = field(default_factory=dict)
    wander: int = 0


def expert(env: TeamVectorEnv) -> Callable[[], np.ndarray]:
    """The task's expert."""
    return env.expert_actions


def frozen(arm: int) -> Actor:
    """The expert with one arm held still, its gripper open."""

    def make(env: TeamVectorEnv) -> Callable[[], np.ndarray]:
        def act() -> np.ndarray:
            actions = env.expert_actions().reshape(env.num_envs, env.num_arms, -1)
            actions[:, arm] = 0.0
            actions[:, arm, -1] = 1.0
            return actions.reshape(env.num_envs, -1)

        return act

    return make


def guessing(env: TeamVectorEnv) -> Callable[[], np.ndarray]:
    """An expert without the instruction: it pursues a goal drawn at random."""
    other = TeamVectorEnv(env.task_name, env.num_envs, autoreset_mode="Disabled")
    task, rng = env.task, np.random.default_rng(0)
    draws = np.stack([np.random.Generator(np.random.PCG64(int(seed))).random(task.draws.count) for seed in env.seeds])
    draws[:, task.draws.column("goal")] = rng.random(env.num_envs)
    facts = task.initial_state(draws).facts
    other.reset(seed=0)

    def act() -> np.ndarray:
        other.set_state(with_facts(env.get_state(), facts))
        return other.expert_actions()

    return act


def cases() -> Iterator[Case]:
    """All rows."""
    for task in BUILT_IN:
        yield Case("expert", task, "≥ 98 %", 1.0, expert)
        for mode in ("joint_pos", "ee_delta"):
            yield Case("expert", task, "≥ 95 %", 0.2, expert, {"action_mode": mode})
        yield Case("expert", task, "≥ 85 %", 0.2, expert, {"randomization": "hard"})
        yield Case("expert", task, "", 0.2, expert, {"split": "unseen"})
        yield Case("expert after 60 random steps", task, "≥ 90 %", 0.2, expert, wander=TAKEOVER_STEPS)
        for arm in range(2):
            yield Case(f"expert, arm_{arm} frozen", task, "0 %", 0.1, frozen(arm))
        yield Case("expert that guesses the goal", task, "chance", 0.2, guessing)
    for task in ("lift", "handoff"):
        for arms in (3, 4):
            yield Case("expert", task, "≥ 95 %", 0.3, expert, {"num_arms": arms})
    for robot in (("panda", "xarm7"), ("xarm7", "xarm7")):
        for task in BUILT_IN:
            yield Case("expert", task, "", 0.2, expert, {"robot": robot})


def run(case: Case, episodes: int, seed_offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Success and length [control steps] of the episodes of one case."""
    count = max(round(case.share * episodes), 1)
    seeds = episode_seeds("test", count, seed_offset)
    success, steps = [], []
    for first in range(0, count, WORLDS):
        chosen = seeds[first : first + WORLDS].tolist()
        with closing(TeamVectorEnv(case.task, len(chosen), autoreset_mode="Disabled", **case.kwargs)) as env:
            env.max_episode_steps += case.wander
            env.reset(seed=chosen)
            rng = np.random.default_rng(first)
            for _ in range(case.wander):
                env.step(rng.uniform(-1, 1, env.action_space.shape))
            # Episodes whose object was pushed off the table by random actions are excluded.
            wanted = ~env.task.is_lost(env.world)
            act = case.act(env)
            info: dict[str, Any] = {}
            length, ended = np.zeros(len(chosen), int), ~wanted
            while not ended.all():
                length += ~ended
                _, _, terminated, truncated, info = env.step(act())
                ended |= terminated | truncated
            success.append(info["is_success"][wanted])
            steps.append(length[wanted])
    return np.concatenate(success), np.concatenate(steps)


def row(case: Case, success: np.ndarray, steps: np.ndarray) -> str:
    """Row of the table in Markdown."""
    settings = ", ".join(
        f"{key}={'+'.join(value) if isinstance(value, tuple) else value}" for key, value in case.kwargs.items()
    )
    low, high = wilson_interval(int(success.sum()), len(success))
    interval = f"{math.floor(1000 * low) / 10:.1f}–{math.ceil(1000 * high) / 10:.1f}"
    lengths = steps[success]
    median = f"{np.median(lengths) * 0.04:.1f} s" if len(lengths) else "–"
    cells = (
        case.task, case.name, settings or "default", f"{success.sum()} of {len(success)}",
        f"{100 * success.mean():.1f} %", interval, median, case.threshold,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main(
    episodes: int = 1000,
    out: Path | None = None,
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WORD ...")] = (),
    offset: int = 0,
) -> None:
    """Print the table, and optionally write it to a file.

    Args:
        episodes: Episodes of the longest rows; others run a share of it.
        out: Markdown file to write.
        only: Run only rows that contain all of these words.
        offset: Number of seeds of the test set to skip.
    """
    began = time.perf_counter()
    lines = [
        "| task | policy | settings | success | | 95 % interval | median time | threshold |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    print("\n".join(lines), flush=True)
    for case in cases():
        words = f"{case.task} {case.name} {case.kwargs}"
        if all(word in words for word in only):
            lines.append(row(case, *run(case, episodes, offset)))
            print(lines[-1], flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if out is not None:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
