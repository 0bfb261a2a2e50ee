"""Speed of the device simulator: steps per second in all worlds, memory and images per second, by the number of worlds.

``uv run python benchmarks/device.py`` measures on the first CUDA device. Without one it prints a note and
measures a few worlds with the same code on the CPU, which verifies the code and is no measure of speed on a GPU.

Four layers, all in N worlds in which the expert begins an episode: physics alone (``advance``: all substeps from the
recorded graph), the environment's step with state observations, the expert, and the environment's step with images.
Rates are medians of several turns that end with a synchronization. Memory is the decrease of
free device memory since the program began: that of the row, and of earlier rows as far as it is not reused.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from measure import machine, table
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.sim.host import SUBSTEPS

ON_CUDA, ON_CPU = (64, 256, 1024, 4096, 8192, 16384), (2, 8)
WARM_UP = 3  # steps: kernels are compiled and loaded, then the graph is recorded
HEADER = (
    "worlds", "physics [control steps/s]", "physics steps/s", "environment [steps/s]", "with expert [steps/s]",
    "memory [MB]", "per world [MB]", "full reset [ms]", "reset of 1 % [ms]", "with images [steps/s]", "images/s",
)  # fmt: skip


def main(
    num_envs: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...")] = (),
    device: str = "auto",
    task: str = "lift",
    randomization: str = "default",
    image_size: int = 84,
    most_images: int = 16_384,
    seconds: float = 5.0,
    out: Path | None = None,
) -> None:
    """Print the table.

    Args:
        num_envs: Numbers of worlds.
        device: ``auto`` is the first CUDA device, or the CPU without one.
        task: Name of the task.
        randomization: Level of randomization.
        image_size: Height and width of the images of three cameras [px].
        most_images: Largest number of worlds with images.
        seconds: Time for each value.
        out: Markdown file for the table.
    """
    found = torch.cuda.is_available() if device == "auto" else device != "cpu"
    if device == "auto":
        device = "cuda:0" if found else "cpu"
    if not found:
        print("No CUDA device: a few worlds on the CPU instead. These are no results for a GPU.\n")
    counts = num_envs or (ON_CUDA if found else ON_CPU)
    rows, free = [], free_memory(device)
    for count in counts:
        size = image_size if count <= most_images else 0
        rows.append(measure(count, device, task, randomization, size, seconds, free))
        print(f"{count} worlds: {rows[-1][1]} control steps/s", flush=True)
    name = torch.cuda.get_device_name(device) if found else f"no GPU; {machine()}"
    text = f"{task}, {SUBSTEPS} physics steps in a control step, three {image_size} px cameras, on {name}\n\n"
    text += table(HEADER, rows)
    print(f"\n{text}")
    if out is not None:
        out.write_text(text + "\n")


def measure(
    count: int, device: str, task: str, randomization: str, image_size: int, seconds: float, free: int
) -> Sequence[str]:
    """One row of the table; ``free`` bytes of the device were free when the program began."""
    arguments: dict[str, Any] = {
        "device": device, "solver": "warp", "randomization": randomization, "autoreset_mode": "Disabled",
    }  # fmt: skip
    with closing(TeamVectorEnv(task, count, **arguments)) as env:
        env.reset(seed=0)
        action = torch.zeros(count, env.num_arms * env.action_size, device=env.world.tool_pos.device)
        for _ in range(WARM_UP):
            env.step(env.expert_actions())
        sim: Any = env.simulator  # measured below the environment
        physics = rate(lambda: sim.advance(sim.joint_target, sim.gripper_target), device, seconds)
        env.reset(seed=0)
        step = rate(lambda: env.step(action), device, seconds)
        env.reset(seed=0)
        expert = rate(lambda: env.step(env.expert_actions()), device, seconds)
        used = free - free_memory(device)
        every = rate(lambda: env.reset(), device, seconds)
        mask = torch.zeros(count, dtype=torch.bool).numpy()
        mask[: max(1, count // 100)] = True
        some = rate(lambda: env.reset(options={"reset_mask": mask}), device, seconds)
    images = [0.0, 0.0]
    if image_size:
        with closing(TeamVectorEnv(task, count, **arguments, obs_mode="vision", image_size=image_size)) as env:
            env.reset(seed=0)
            for _ in range(WARM_UP):
                env.step(action)
            seen = rate(lambda: env.step(action), device, seconds)
            images = [seen * count, seen * count * len(env.cameras)]
    numbers = (physics * count, physics * count * SUBSTEPS, step * count, expert * count)
    memory = ("–", "–") if free == 0 else (f"{used / 2**20:,.0f}", f"{used / 2**20 / count:.2f}")
    resets = (f"{1000 / every:,.1f}", f"{1000 / some:,.1f}")
    seen_rates = [f"{value:,.0f}" if value else "–" for value in images]
    return (f"{count:,}", *(f"{value:,.0f}" for value in numbers), *memory, *resets, *seen_rates)


def rate(run: Callable[[], object], device: str, seconds: float) -> float:
    """Calls per second, median of the turns."""
    turns: list[float] = []
    began = time.perf_counter()
    while len(turns) < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize(device)
        turns.append(1 / (time.perf_counter() - start))
    return statistics.median(turns)


def free_memory(device: str) -> int:
    """Free bytes on a CUDA device, 0 elsewhere."""
    return torch.cuda.mem_get_info(device)[0] if device != "cpu" else 0


if __name__ == "__main__":
    tyro.cli(main)
