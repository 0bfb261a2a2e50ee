"""Comparison of TeamVLA with bare MuJoCo and other suites on one machine: ratios and acceptance thresholds.

``uv run python benchmarks/compare.py --out speed.md`` takes about five minutes on an idle machine;
positional arguments select parts. The other suites run in processes and environments of their own, see ``peers/``;
TeamVLA and the other suite alternate in turns of some seconds, and ratios are taken within a round. The differences
between the suites are listed below the table. The exit code is 0 whether a threshold is reached or not.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, get_args

import suites
import thresholds
import tyro
from measure import machine, table
from peer import PeerError
from row import Row

Part = Literal[
    "layers", "views", "resets", "bits", "memory", "soak", "starts", "first-use", "robosuite", "maniskill", "mamujoco"
]  # fmt: skip

DIFFERENCES = """\
Ratios are of control steps a second by the clock, median of the rounds (lowest to highest). `CPU` is the same by
CPU time, which a busy machine disturbs less. Where suites are compared, all act uniformly at random and are reset
after 100 control steps; resets are not counted.

The suites differ. TeamVLA controls at 25 Hz over 10 physics steps of 4 ms, robosuite at 20 Hz over 25 of 2 ms,
ManiSkill at 20 Hz over 5 of 10 ms: for simulated seconds, multiply a ratio by 0.8. TeamVLA moves joints
(`joint_delta`), robosuite solves operational space control at every physics step, ManiSkill is shown with joints and
with end effectors. All observe joints, tools and objects: TeamVLA and ManiSkill in one array, robosuite in a
dictionary. Images are three of 84 x 84 pixels, ray-traced on the CPU by TeamVLA with the given number of threads,
and rendered by OpenGL by robosuite: in software where there is no GPU, on any number of cores."""


def main(
    parts: Annotated[tuple[Part, ...], tyro.conf.Positional] = get_args(Part),
    rounds: int = 5,
    seconds: float = 2.0,
    out: Path | None = None,
) -> None:
    """Print a table: measured values and thresholds.

    Args:
        parts: Measurements; the last three are other suites.
        rounds: Number of turns of each suite.
        seconds: Length of a turn.
        out: Markdown file for the table.
    """
    began, before = time.perf_counter(), machine()
    measurements: dict[Part, Callable[[], list[Row]]] = {
        "layers": lambda: thresholds.layers(rounds * seconds),
        "views": lambda: thresholds.views(rounds * seconds),
        "resets": lambda: thresholds.resets(rounds * seconds / 2),
        "bits": thresholds.bits,
        "memory": thresholds.memory,
        "soak": thresholds.soak,
        "starts": thresholds.starts,
        "first-use": thresholds.first_use,
        "robosuite": lambda: suites.robosuite(rounds, seconds),
        "maniskill": lambda: suites.maniskill(rounds, seconds),
        "mamujoco": lambda: suites.mamujoco(rounds, seconds),
    }
    rows: list[Row] = []
    for part in parts:
        try:
            new = measurements[part]()
        except PeerError as error:
            new = [Row(part, f"not measured: {error}")]
        for row in new:
            print("  ".join(cell for cell in row.cells() if cell), flush=True)
        rows += new
    judged = [row for row in rows if row.reached is not None]
    missed = [row.what for row in judged if not row.reached]
    text = "\n".join(
        [
            table(("", "measured", "CPU", "threshold", "reached"), [row.cells() for row in rows]),
            "",
            f"{len(judged) - len(missed)} of {len(judged)} thresholds reached. {rounds} rounds of {seconds:g} s, "
            f"{time.perf_counter() - began:.0f} s altogether; before: {before}; after: {machine()}.",
            "",
            DIFFERENCES,
        ]
    )
    print(f"\n{text}")
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
