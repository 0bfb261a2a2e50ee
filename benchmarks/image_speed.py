"""How fast an environment with cameras is: control steps per second with every image rendered at every step.

Random actions keep the arms in the pictures; the images are the default ones of the task (front and wrist cameras).
Sizes take turns. Run ``uv run python benchmarks/image_speed.py`` on an idle machine.
"""

from typing import Annotated

import numpy as np
import tyro
from measure import Candidate, machine, print_table, spread, take_turns
from teamvla_envs.env.vector import TeamVectorEnv

STEPS = 20  # control steps of one world in one turn


def main(
    sizes: Annotated[tuple[int, ...], tyro.conf.arg(metavar="PIXELS ...")] = (64, 84, 128),
    num_envs: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...")] = (1, 16),
    threads: Annotated[tuple[int, ...], tyro.conf.arg(metavar="THREADS ...")] = (1, 2),
    seconds: float = 20.0,
    task: str = "lift",
) -> None:
    """Print rates of control steps with vision observations.

    Args:
        sizes: Heights and widths of the images [px].
        num_envs: Numbers of worlds.
        threads: Numbers of threads; more threads than worlds are left out.
        seconds: Time for each pair of worlds and threads.
        task: Name of the task.
    """
    rows: list[tuple[str, ...]] = []
    for worlds in num_envs:
        for thread_count in threads:
            if thread_count <= worlds:
                rows += measure(task, worlds, thread_count, sizes, seconds)
    print(f"{task}, vision observations, median (lowest to highest); {machine()}\n")
    header = ("images", "N", "threads", "control steps/s", "per CPU second", "images/s")
    print_table(header, rows)


def measure(
    task: str, num_envs: int, num_threads: int, sizes: tuple[int, ...], seconds: float
) -> list[tuple[str, ...]]:
    """Measure all sizes with one number of worlds and threads; returns rows of the table."""
    envs = {
        size: TeamVectorEnv(task, num_envs, obs_mode="vision", image_size=size, num_threads=num_threads)
        for size in sizes
    }
    cameras = len(next(iter(envs.values())).cameras)
    rates = take_turns({f"{cameras} x {size} px": steps(env) for size, env in envs.items()}, seconds)
    rows: list[tuple[str, ...]] = []
    for name, turns in rates.items():
        wall, cpu = [rate.wall for rate in turns], [rate.cpu for rate in turns]
        images = f"{cameras * spread(wall).median:,.0f}"
        rows.append(
            (name, str(num_envs), str(num_threads), f"{spread(wall):,.0f}", f"{spread(cpu).median:,.0f}", images)
        )
    for env in envs.values():
        env.close()
    return rows


def steps(env: TeamVectorEnv) -> Candidate:
    """Some steps of all worlds with small random motions."""
    generator = np.random.default_rng(0)
    shape = (STEPS, env.num_envs, env.num_arms * env.action_size)
    actions = 0.2 * generator.uniform(-1.0, 1.0, shape).astype(np.float32)

    def prepare() -> None:
        env.reset(seed=0)

    def run() -> None:
        for action in actions:
            env.step(action)

    return Candidate(prepare, run, STEPS * env.num_envs)


if __name__ == "__main__":
    tyro.cli(main)
