"""Endurance: whether memory grows over many resets, and whether worlds disturb one another.

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
ALLOWED = 1.0  # growth that counts as none [MB]; a leak of 100 bytes a reset would be twice as much


def main(
    resets: int = 20_000,
    num_envs: int = 64,
    task: str = "lift",
    rounds: int = 1000,
    allowed_mb: float = ALLOWED,
    json_line: bool = False,
) -> int:
    """Print the resident set as resets go by, and how often disturbed worlds left the others alone.

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
    """Reset again and again; returns ten marks of resets done and resident set [MB]."""
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
    """Try one disturbance after the other; returns what was wrong in each trial by kind, nothing where it held."""
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
    """Memory of this process that is in RAM [MB]."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
