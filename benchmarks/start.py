"""How long a program takes from its start to its first observation, with warm caches.

Each repetition is a new Python process that makes ``TeamVLA/Lift-v0``, resets it and takes one step. A first process,
not counted, fills the caches of compiled models and kernels. Run ``uv run python benchmarks/start.py`` on an idle
machine.
"""

import subprocess
import sys
import time

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


def main(repetitions: int = 5) -> None:
    """Print the seconds from process start to process end.

    Args:
        repetitions: Processes per row.
    """
    programs = {"import teamvla_envs": IMPORT}
    programs |= {f"make, reset, step ({mode})": PROGRAM.format(mode=mode) for mode in ("state", "vision")}
    durations: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        run(program)
    for _ in range(repetitions):
        for name, program in programs.items():
            durations[name].append(run(program))
    print(f"seconds from process start to end, median (lowest to highest); {machine()}\n")
    print_table(("", "seconds"), [(name, f"{spread(values):.2f}") for name, values in durations.items()])


def run(program: str) -> float:
    """Run a program in a new process; returns how long it took [s]."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    tyro.cli(main)
