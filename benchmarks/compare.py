"""TeamVLA against bare MuJoCo and against other suites, in one go on one machine: ratios, and whether bars are reached.

``uv run python benchmarks/compare.py --out speed.md`` takes about five minutes on an idle machine; words name single
parts. The other suites run
in processes and environments of their own, see ``peers/``; ours and theirs take turns of some seconds, and ratios are
taken within a round. What differs between them is said below the table. It reports; it does not judge: the exit code is
0 whether a bar is reached or not.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, get_args

import bars
import suites
import tyro
from measure import machine, table
from peer import PeerError
from row import Row

Part = Literal[
    "layers", "views", "resets", "bits", "memory", "soak", "starts", "first-use", "robosuite", "maniskill", "mamujoco"
]  # fmt: skip

DIFFERENCES = """\
Ratios are of control steps a second by the clock, median of the rounds (lowest to highest). `CPU` is the same by
processor time, which a busy machine disturbs less. Where suites are compared, all act uniformly at random and begin
anew after 100 control steps; resets are not counted.

The suites differ. TeamVLA controls at 25 Hz over 10 physics steps of 4 ms, robosuite at 20 Hz over 25 of 2 ms,
ManiSkill at 20 Hz over 5 of 10 ms: for simulated seconds, multiply a ratio by 0.8. TeamVLA moves joints
(`joint_delta`), robosuite solves operational space control at every physics step, ManiSkill is shown with joints and
with end effectors. All observe joints, tools and objects: TeamVLA and ManiSkill in one array, robosuite in a
dictionary. Images are three of 84 x 84 pixels, ray-traced on the processor by TeamVLA with the threads that are named,
and drawn by OpenGL by robosuite: in software where there is no GPU, on as many cores as it likes."""


def main(
    parts: Annotated[tuple[Part, ...], tyro.conf.Positional] = get_args(Part),
    rounds: int = 5,
    seconds: float = 2.0,
    out: Path | None = None,
) -> None:
    """Print a table: what was measured, and the bars.

    Args:
        parts: What to measure; the last three are other suites.
        rounds: How often ours and a peer take turns.
        seconds: Length of a turn.
        out: Markdown file to write as well.
    """
    began, before = time.perf_counter(), machine()
    measurements: dict[Part, Callable[[], list[Row]]] = {
        "layers": lambda: bars.layers(rounds * seconds),
        "views": lambda: bars.views(rounds * seconds),
        "resets": lambda: bars.resets(rounds * seconds / 2),
        "bits": bars.bits,
        "memory": bars.memory,
        "soak": bars.soak,
        "starts": bars.starts,
        "first-use": bars.first_use,
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
            table(("", "measured", "CPU", "bar", "reached"), [row.cells() for row in rows]),
            "",
            f"{len(judged) - len(missed)} of {len(judged)} bars reached. {rounds} rounds of {seconds:g} s, "
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
