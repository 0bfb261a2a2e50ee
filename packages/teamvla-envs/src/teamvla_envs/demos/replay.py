"""``teamvla replay``: simulates recorded actions again and compares the result with the recording."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from teamvla_envs.demos import schema
from teamvla_envs.demos.reader import Demo, open_demos
from teamvla_envs.errors import UserError
from teamvla_envs.interrupts import check_interrupt, deferred_interrupts

if TYPE_CHECKING:
    from teamvla_envs.env.vector import TeamVectorEnv


@dataclass(frozen=True)
class Replayed:
    """Result of the replay of one demonstration.

    Attributes:
        name: The demonstration.
        success: Whether the replay ended in success.
        difference: The first difference from the recording, None when there is none.
    """

    name: str
    success: bool
    difference: str | None


def replay(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")],
    verify: bool = False,
    demo: tuple[str, ...] = (),
    num_envs: int = 16,
) -> int:
    """Simulate the actions of a demonstration file again, and compare bit for bit on request.

    Args:
        file: Demonstration file.
        verify: Compare every state, reward and content hash with the recording; the exit code is 1 when any
            demonstration differs.
        demo: Names of the demonstrations to replay, such as demo_0; by default all.
        num_envs: Worlds that run at once.
    """
    from rich.progress import Progress

    from teamvla_envs.console import plain_console
    from teamvla_envs.demos.reader import make_recorded_env

    if num_envs < 1:
        raise UserError(f"num-envs is {num_envs}, expected 1 or more")
    with deferred_interrupts(), open_demos(file) as demos:
        chosen = [demos.demo(name) for name in demo or demos.names]
        with (
            closing(make_recorded_env(demos, min(num_envs, len(chosen)), obs_mode="state", looks="primitives")) as env,
            Progress(console=plain_console(stderr=True)) as progress,
        ):
            results = list(progress.track(replay_demos(env, chosen), total=len(chosen), description="replay"))
        if not verify:
            print(f"{sum(result.success for result in results)} of {len(results)} demos end in success")
            return 0
        differing = [result for result in results if result.difference]
        for result in differing:
            print(f"{result.name}: {result.difference}")
        print(f"{len(results) - len(differing)} of {len(results)} demos bit-exact")
        if differing:
            print(f"the file was recorded with {_listed(demos.versions)}")
        return 1 if differing else 0


def replay_demos(env: "TeamVectorEnv", demos: Sequence[Demo]) -> Iterator[Replayed]:
    """Simulate demonstrations from their first states on, and yield each result, in order.

    Args:
        env: The environment that they were recorded in, see ``make_recorded_env``; it replays one in each world.
        demos: Demonstrations to replay.
    """
    env.reset(seed=0)
    for start in range(0, len(demos), env.num_envs):
        yield from _replay_batch(env, demos[start : start + env.num_envs])


def _replay_batch(env: "TeamVectorEnv", demos: Sequence[Demo]) -> list[Replayed]:
    """Replay at most one demonstration per world; spare worlds repeat the last one."""
    worlds = [*demos, *[demos[-1]] * (env.num_envs - len(demos))]
    lengths = [demo.num_samples for demo in worlds]
    actions, rewards = [demo.actions for demo in worlds], [demo.rewards for demo in worlds]
    states = [demo.states for demo in worlds]
    differences: list[str | None] = [None if demo.verify_hash() else "content hash differs" for demo in demos]
    success = np.zeros(env.num_envs, dtype=bool)

    env.set_state({key: np.stack([state[key][0] for state in states]) for key in states[0]})
    found = env.get_state()
    for world in range(len(demos)):
        differences[world] = differences[world] or _state_difference(0, found, states[world], world)
    for step in range(max(lengths)):
        check_interrupt()
        running = [step < length for length in lengths]
        action = np.stack([rows[min(step, len(rows) - 1)] for rows in actions])  # ended worlds ignore theirs
        _, reward, _, _, info = env.step(action)
        solved = info["is_success"]
        found = env.get_state()
        for world in range(len(demos)):
            if not running[world]:
                continue
            success[world] = solved[world]
            differences[world] = (
                differences[world]
                or _state_difference(step + 1, found, states[world], world)
                or _outcome_difference(step, reward[world], rewards[world], bool(solved[world]), demos[world])
            )
    return [Replayed(demo.name, bool(success[world]), differences[world]) for world, demo in enumerate(demos)]


def _state_difference(
    step: int, found: dict[str, np.ndarray], recorded: dict[str, np.ndarray], world: int
) -> str | None:
    for key, rows in recorded.items():
        if key not in found:
            return f"step {step}: the environment has no state {key}"
        given, expected = found[key][world], rows[step]
        kinds = [f"{array.dtype} of shape {array.shape}" for array in (given, expected)]
        if kinds[0] != kinds[1]:
            return f"step {step}: {schema.STATES}{key} is {kinds[0]}, recorded {kinds[1]}"
        if given.tobytes() != expected.tobytes():
            largest = np.abs(given.astype(np.float64) - expected.astype(np.float64)).max()
            return f"step {step}: {schema.STATES}{key} differs by up to {largest:.3g}"
    return None


def _outcome_difference(step: int, reward: float, recorded: np.ndarray, success: bool, demo: Demo) -> str | None:
    if np.float32(reward).tobytes() != recorded[step].tobytes():
        return f"step {step}: {schema.REWARDS} is {reward:.9g}, recorded {recorded[step]:.9g}"
    expected = demo.success and step == demo.num_samples - 1
    if success != expected:
        return f"step {step}: success is {success}, recorded {expected}"
    return None


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
