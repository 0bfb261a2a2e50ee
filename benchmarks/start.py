"""Time from the start of a program to its first step: with warm caches, and on the first use ever.

Each repetition is a new Python process that makes ``TeamVLA/Lift-v0``, resets it and takes one step. "Warm" processes
follow one that fills the caches of compiled models and kernels and is not counted. "First use" processes have empty
home and cache folders. Run ``uv run python benchmarks/start.py`` on an idle machine.

The time is measured from the start of the process to the end of the step, without the exit of Python. CPU time is
printed next to it: on a busy machine it is still proportional to the work of a start.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

import tyro
from measure import machine, print_table, spread

PROGRAM = """
import gymnasium
import teamvla_envs
env = gymnasium.make("TeamVLA/Lift-v0", obs_mode={mode!r})
env.reset(seed=0)
env.step(env.action_space.sample())
"""
IMPORT = "import teamvla_envs"
REPORT = "\nimport time; print(time.process_time(), flush=True)"


def main(repetitions: int = 5, first_uses: int = 2) -> None:
    """Print the seconds from process start to the first step.

    Args:
        repetitions: Warm processes per row.
        first_uses: Processes with empty caches per row.
    """
    makes = {f"make, reset, step ({mode})": PROGRAM.format(mode=mode) for mode in ("state", "vision")}
    warm = {"import teamvla_envs": IMPORT} | makes
    times: dict[str, list[tuple[float, float]]] = {}
    for name, program in warm.items():
        run(program)
        times[f"warm: {name}"] = []
    for _ in range(repetitions):
        for name, program in warm.items():
            times[f"warm: {name}"].append(run(program))
    for _ in range(first_uses):
        for name, program in makes.items():
            with tempfile.TemporaryDirectory() as home:
                empty = {"HOME": home, "XDG_CACHE_HOME": f"{home}/cache"}
                times.setdefault(f"first use: {name}", []).append(run(program, empty))
    print(f"seconds from process start to the first step, median (lowest to highest); {machine()}\n")
    rows = [
        (name, f"{spread([wall for wall, _ in some]):.2f}", f"{spread([cpu for _, cpu in some]):.2f}")
        for name, some in times.items()
    ]
    print_table(("", "seconds", "CPU seconds"), rows)


def run(program: str, environment: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Run a program in a new process; returns its elapsed time and its CPU time [s]."""
    own = {key: value for key, value in os.environ.items() if key not in ("TEAMVLA_CACHE", "WARP_CACHE_PATH")}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program + REPORT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=own | dict(environment) if environment else None,
        text=True,
    ) as process:
        assert process.stdout is not None
        answer = process.stdout.readline()
        wall = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(f"the program failed with exit code {process.returncode}:\n{program}")
    return wall, float(answer)


if __name__ == "__main__":
    tyro.cli(main)
