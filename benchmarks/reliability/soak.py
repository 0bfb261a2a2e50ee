"""Endurance: growth of memory over many resets, and isolation of worlds.

``uv run python benchmarks/reliability/soak.py`` resets random halves of 64 worlds, with a step in between, until 20,000
worlds have begun a new episode, and compares the resident set after a tenth of them with that at the end. Then it
disturbs single worlds of one environment (pushes that make them unstable, resets, mutated states, calls that are
refused) beside another that is left alone, and compares all other worlds bit for bit. The exit code is 1 if something
did not hold.
"""

import json
import logging
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from disturbances import DISTURBANCES, Pair
from teamvla_envs.env.vector import TeamVectorEnv
from verdicts import report

STATM = Path("/proc/self/statm")
ALLOWED = 1.0  # accepted growth [MB]; a leak of 100 bytes per reset would be twice as much


def main(
    resets: int = 20_000,
    num_envs: int = 64,
    task: str = "lift",
    rounds: int = 1000,
    allowed_mb: float = ALLOWED,
    json_line: bool = False,
) -> int:
    """Print the resident memory over the resets, and the trials in which disturbed worlds did not affect others.

    Args:
        resets: Episodes to begin.
        num_envs: Number of worlds.
        task: Name of the task.
        rounds: Disturbances to try.
        allowed_mb: Growth of the resident set that counts as none [MB].
        json_line: Measure memory alone and print one line of JSON.
    """
    marks = soak(resets, num_envs, task)
    growth = marks[-1][1] - marks[0][1]
    if json_line:
        print(json.dumps({"resets": marks[-1][0], "growth_mb": growth, "allowed_mb": allowed_mb}))
        return 0
    print(f"{task}, {num_envs} worlds\n\nresets   resident set [MB]")
    for count, size in marks:
        print(f"{count:6,d}   {size:.1f}")
    verdict = "no growth" if growth <= allowed_mb else "GROWTH"
    print(f"\n{verdict}: {growth:+.2f} MB from the first mark to the last; up to {allowed_mb:.0f} MB counts as none\n")
    outcomes = disturb(rounds, task)
    outcomes["memory over resets"] = ["" if growth <= allowed_mb else f"grew by {growth:.1f} MB"]
    return report({name: [problem or None for problem in problems] for name, problems in outcomes.items()})


def soak(resets: int, num_envs: int, task: str) -> list[tuple[int, float]]:
    """Reset repeatedly; returns ten pairs of the number of resets and the resident memory [MB]."""
    if not STATM.exists():
        raise SystemExit("memory is read from /proc/self/statm, which only Linux has")
    generator = np.random.default_rng(0)
    marks: list[tuple[int, float]] = []
    with closing(TeamVectorEnv(task, num_envs)) as env:
        env.reset(seed=0)
        done = 0
        while done < resets:
            mask = generator.permutation(num_envs) < max(num_envs // 2, 1)
            env.reset(options={"reset_mask": mask})
            env.step(generator.uniform(-1.0, 1.0, env.action_space.shape))
            done += int(mask.sum())
            if done >= (len(marks) + 1) * resets / 10:
                marks.append((done, resident_set()))
    return marks


def disturb(rounds: int, task: str) -> dict[str, list[str]]:
    """Run the disturbances; returns the failure of each trial by kind, empty for passed trials."""
    logging.getLogger("teamvla_envs").setLevel(logging.ERROR)  # instability is what is tried
    outcomes: dict[str, list[str]] = {name: [] for name in DISTURBANCES}
    arguments: dict[str, Any] = {"randomization": "hard", "autoreset_mode": "Disabled"}
    generator = np.random.default_rng(0)
    with closing(Pair(task, generator, arguments)) as pair:
        for i in range(rounds):
            name = list(DISTURBANCES)[i % len(DISTURBANCES)]
            outcomes[name].append(pair.trial(DISTURBANCES[name]))
    return outcomes


def resident_set() -> float:
    """Resident memory of this process [MB]."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
