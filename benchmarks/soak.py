"""Whether memory grows over many resets.

``uv run python benchmarks/soak.py`` resets random halves of 64 worlds, with a step in between, until 20,000 worlds have
begun a new episode, and compares the resident set after a tenth of them with that at the end.
"""

import json
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import tyro
from teamvla_envs.env.vector import TeamVectorEnv

STATM = Path("/proc/self/statm")
ALLOWED = 1.0  # growth that counts as none [MB]; a leak of 100 bytes a reset would be twice as much


def main(resets: int = 20_000, num_envs: int = 64, task: str = "lift", json_line: bool = False) -> None:
    """Print the resident set as resets go by, and how much it grew.

    Args:
        resets: Episodes to begin.
        num_envs: Number of worlds.
        task: Name of the task.
        json_line: Print one line of JSON instead.
    """
    marks = soak(resets, num_envs, task)
    growth = marks[-1][1] - marks[0][1]
    if json_line:
        print(json.dumps({"resets": marks[-1][0], "growth_mb": growth, "allowed_mb": ALLOWED}))
        return
    print(f"{task}, {num_envs} worlds\n\nresets   resident set [MB]")
    for count, size in marks:
        print(f"{count:6,d}   {size:.1f}")
    verdict = "no growth" if growth <= ALLOWED else "GROWTH"
    print(f"\n{verdict}: {growth:+.2f} MB from the first mark to the last; up to {ALLOWED:.0f} MB counts as none")


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


def resident_set() -> float:
    """Memory of this process that is in RAM [MB]."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    tyro.cli(main)
