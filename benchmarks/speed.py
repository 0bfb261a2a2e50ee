"""Speed of TeamVLA by layer, view, team, image size, number of resets, memory and start.

``uv run python benchmarks/speed.py`` prints all tables, in some minutes on an idle machine; positional arguments
select tables: ``uv run python benchmarks/speed.py layers images``. Candidates alternate; ratios are within a turn.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import fresh
import gymnasium
import teamvla_envs  # noqa: F401  registers the ids
import tyro
from layers import (
    ENVIRONMENT,
    RAW,
    ROLLOUT,
    SIMULATOR,
    bare_rollout,
    bare_steps,
    environment_steps,
    make_env,
    make_simulator,
    masked_resets,
    parallel_steps,
    random_steps,
    simulator_steps,
    single_steps,
)
from measure import Candidate, cpu, machine, ratios, spread, table, take_turns, wall
from recording import record
from teamvla_envs.sim.host import SUBSTEPS

Part = Literal["layers", "views", "teams", "images", "image-size", "resets", "memory", "start"]
IMAGE_STEPS = 10  # control steps of one run with images
TEAM_STEPS = 40  # control steps of one run with random actions


def main(
    parts: Annotated[tuple[Part, ...], tyro.conf.Positional] = get_args(Part),
    num_envs: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...")] = (1, 16, 64, 256),
    threads: Annotated[tuple[int, ...], tyro.conf.arg(metavar="THREADS ...")] = (1, 2),
    seconds: float = 6.0,
    task: str = "lift",
    out: Path | None = None,
) -> None:
    """Print the tables.

    Args:
        parts: Tables.
        num_envs: Numbers of worlds.
        threads: Numbers of threads; more threads than worlds are left out.
        seconds: Time for each comparison.
        task: Name of the task.
        out: Markdown file for the tables.
    """
    pairs = [(worlds, count) for worlds in num_envs for count in threads if count <= worlds]
    tables: dict[str, Callable[[], str]] = {
        "layers": lambda: layers(task, pairs, seconds),
        "views": lambda: views(task, seconds),
        "teams": lambda: teams(threads, seconds),
        "images": lambda: images(task, pairs, seconds),
        "image-size": lambda: image_size(task, seconds),
        "resets": lambda: resets(task, num_envs, seconds),
        "memory": lambda: memory(num_envs),
        "start": start,
    }
    texts: list[str] = [f"Median (lowest to highest) of {task}; {machine()}."]
    print(texts[0], flush=True)
    for part in parts:
        texts.append(tables[part]())
        print(f"\n{texts[-1]}", flush=True)
    texts.append(f"At the end: {machine()}.")
    print(f"\n{texts[-1]}")
    if out is not None:
        out.write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def section(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table below its title, whose heading ends at the colon."""
    heading, _, words = title.partition(": ")
    return f"**{heading}**: {words}.\n\n{table(header, rows)}"


def layers(task: str, pairs: Sequence[tuple[int, int]], seconds: float) -> str:
    """The same work in every layer, from ``mj_step`` to the environment."""
    title = f"Layers: the expert's episode, states observed, {SUBSTEPS} physics steps in a control step"
    rows: list[tuple[str, ...]] = []
    for worlds, threads in pairs:
        with closing(make_env(task, worlds, threads)) as env:
            recording = record(env)
            with closing(make_simulator(env, recording.start, threads)) as sim:
                candidates = {
                    RAW: bare_steps(sim, recording),
                    ROLLOUT: bare_rollout(sim, recording),
                    SIMULATOR: simulator_steps(sim, recording),
                    ENVIRONMENT: environment_steps(env, recording),
                }
                rates = take_turns(candidates, seconds)
        for name, turns in rates.items():
            rows.append(
                (
                    name,
                    str(worlds),
                    str(threads),
                    f"{spread(wall(turns)):,.0f}",
                    f"{spread(cpu(turns)).median:,.0f}",
                    f"{ratios(wall(turns), wall(rates[RAW])):.2f}",
                    f"{ratios(cpu(turns), cpu(rates[RAW])).median:.2f}",
                    f"{ratios(wall(turns), wall(rates[ROLLOUT])):.2f}",
                )
            )
    header = ("", "N", "threads", "control steps/s", "per CPU second", f"of {RAW}", "in CPU time", f"of {ROLLOUT}")
    return section(title, header, rows)


def views(task: str, seconds: float) -> str:
    """Cost of the views of one world."""
    title = "Views: one world, one thread, states observed, the expert's episode"
    identity = f"TeamVLA/{task.capitalize()}-v0"
    with closing(make_env(task, 1)) as env, closing(gymnasium.make(identity)) as single:
        recording = record(env)
        candidates = {
            "vector environment": environment_steps(env, recording),
            "single view": single_steps(single.unwrapped, recording),
            "single view in gymnasium's wrappers": single_steps(single, recording),
            "parallel view": parallel_steps(task, recording),
        }
        rates = take_turns(candidates, seconds)
    base = wall(rates["single view"])
    rows = [(name, f"{spread(wall(turns)):,.0f}", f"{ratios(base, wall(turns)):.2f}") for name, turns in rates.items()]
    return section(title, ("", "control steps/s", "time, in single views"), rows)


def teams(threads: Sequence[int], seconds: float) -> str:
    """Lift with two, three and four arms; random actions."""
    title = "Teams: Lift with random actions, states observed"
    rows: list[tuple[str, ...]] = []
    for worlds in (1, 64):
        count = min(max(threads), worlds)
        envs = {arms: make_env("lift", worlds, count, num_arms=arms) for arms in (2, 3, 4)}
        rates = take_turns({f"{arms} arms": random_steps(env, TEAM_STEPS) for arms, env in envs.items()}, seconds)
        base = wall(rates["2 arms"])
        for name, turns in rates.items():
            cost = f"{ratios(base, wall(turns)):.2f}"
            rows.append((name, str(worlds), str(count), f"{spread(wall(turns)):,.0f}", cost))
        for env in envs.values():
            env.close()
    return section(title, ("", "N", "threads", "control steps/s", "time, in teams of two"), rows)


def images(task: str, pairs: Sequence[tuple[int, int]], seconds: float) -> str:
    """Three cameras at 84 pixels, every image rendered at every step."""
    title = "Images: three cameras of 84 x 84 pixels in every observation, random actions"
    rows = []
    for worlds, threads in pairs:
        with closing(make_env(task, worlds, threads, obs_mode="vision", image_size=84)) as env:
            rows.append((str(worlds), str(threads), *_seen(env, seconds)))
    return section(title, ("N", "threads", "control steps/s", "images/s", "CPU ms per image"), rows)


def image_size(task: str, seconds: float) -> str:
    """Cost by number and size of images."""
    title = "Image size: cost by number of cameras and image size; one world, one thread, random actions"
    rows = []
    for cameras in (("front",), ("front", "wrist_0"), ("front", "wrist_0", "wrist_1")):
        for size in (64, 84, 128, 224):
            with closing(make_env(task, 1, 1, obs_mode="vision", cameras=cameras, image_size=size)) as env:
                rows.append((str(len(cameras)), str(size), *_seen(env, seconds / 3)))
    return section(title, ("cameras", "pixels", "control steps/s", "images/s", "CPU ms per image"), rows)


def _seen(env: Any, seconds: float) -> tuple[str, str, str]:
    """Rates of an environment with images: control steps, images, and CPU time of an image [ms]."""
    (turns,) = take_turns({"": random_steps(env, IMAGE_STEPS)}, seconds).values()
    images = len(env.cameras)
    return (
        f"{spread(wall(turns)):,.1f}", f"{images * spread(wall(turns)).median:,.0f}",
        f"{1e3 / (images * spread(cpu(turns)).median):.2f}",
    )  # fmt: skip


def resets(task: str, num_envs: Sequence[int], seconds: float) -> str:
    """Cost of masked resets."""
    title = "Resets: some of N worlds by `reset_mask`, states observed"
    rows = []
    for worlds in num_envs:
        counts = sorted({1, max(worlds // 2, 1), worlds})
        with closing(make_env(task, worlds)) as env:
            candidates: dict[str, Candidate] = {str(count): masked_resets(env, count) for count in counts}
            rates = take_turns(candidates, seconds)
        rows += [
            (str(worlds), count, f"{spread([1e3 / rate for rate in wall(turns)]):.3f}")
            for count, turns in rates.items()
        ]
    return section(title, ("N", "worlds reset", "ms per reset world"), rows)


def memory(num_envs: Sequence[int]) -> str:
    """Resident sets of fresh processes."""
    title = "Memory: a fresh process, states observed [MB resident]"
    rows = []
    for worlds in num_envs:
        added, total = fresh.memory(worlds)
        rows.append((str(worlds), f"{added:.0f}", f"{added / worlds:.2f}", f"{total:.0f}"))
    return section(title, ("N", "added to the imported modules", "per world", "process"), rows)


def start() -> str:
    """Seconds from import to the end of the first step in fresh processes with warm caches."""
    title = "Start: a fresh process, warm caches, from `import teamvla_envs` to the end of the first step [s]"
    rows = []
    for mode in ("state", "vision"):
        fresh.first_step(mode)  # fills the caches
        rows.append((mode, f"{spread([fresh.first_step(mode).seconds for _ in range(3)]):.2f}"))
    return section(title, ("observations", "seconds"), rows)


if __name__ == "__main__":
    tyro.cli(main)
