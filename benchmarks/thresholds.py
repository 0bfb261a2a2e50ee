"""Measurements of ``compare.py`` without other suites: bare MuJoCo with the same controls, and absolute thresholds."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import fresh
import gymnasium
import numpy as np
import teamvla_envs  # noqa: F401  registers the ids
from layers import (
    ENVIRONMENT,
    RAW,
    ROLLOUT,
    bare_rollout,
    bare_steps,
    environment_steps,
    make_env,
    make_simulator,
    masked_resets,
    parallel_steps,
    single_steps,
)
from measure import cpu, spread, take_turns, wall
from recording import record
from row import Row, at_least, at_most, extra_time

LIFT = "TeamVLA/Lift-v0"
WORLDS = (1, 16, 64)  # numbers of worlds whose results must be equal bit for bit


def layers(seconds: float) -> list[Row]:
    """The environment compared with bare MuJoCo, with the same models, states and controls."""
    with closing(make_env("lift", 1, 1)) as env, closing(gymnasium.make(LIFT)) as single:
        recording = record(env)
        with closing(make_simulator(env, recording.start, 1)) as sim:
            one = take_turns({"raw": bare_steps(sim, recording), "ours": single_steps(single, recording)}, seconds)
    with closing(make_env("lift", 64, 2)) as env:
        recording = record(env)
        with closing(make_simulator(env, recording.start, 2)) as sim:
            many = take_turns({"raw": bare_rollout(sim, recording), "ours": environment_steps(env, recording)}, seconds)
    return [
        Row("Lift, single environment, control steps/s", f"{spread(wall(one['ours'])):,.0f}"),
        at_least(f"single {ENVIRONMENT}, of {RAW} with its controls", one["ours"], one["raw"], 0.6),
        Row("Lift, 64 worlds, 2 threads, control steps/s", f"{spread(wall(many['ours'])):,.0f}"),
        at_least(f"64 worlds, 2 threads, of bare {ROLLOUT} with their controls", many["ours"], many["raw"], 0.85),
    ]


def views(seconds: float) -> list[Row]:
    """The PettingZoo view compared with the bare single view."""
    with closing(make_env("lift", 1, 1)) as env, closing(gymnasium.make(LIFT)) as single:
        recording = record(env)
        rates = take_turns(
            {"single": single_steps(single.unwrapped, recording), "parallel": parallel_steps("lift", recording)},
            seconds,
        )
    return [extra_time("PettingZoo view, time over the single environment", rates["single"], rates["parallel"], 10)]


def resets(seconds: float) -> list[Row]:
    """Resets of half of 64 worlds."""
    with closing(make_env("lift", 64)) as env:
        (rates,) = take_turns({"": masked_resets(env, 32)}, seconds).values()
    clock, by_cpu = ([1e3 / rate for rate in values] for values in (wall(rates), cpu(rates)))
    return [at_most("masked reset of 32 of 64 worlds, per world", clock, 0.25, "ms", ".3f", by_cpu)]


def bits() -> list[Row]:
    """Dependence of a world's physics and observations on the number of worlds and threads."""
    with closing(make_env("lift", max(WORLDS), 1)) as env:
        recording = record(env)
    base: dict[str, np.ndarray] = {}
    equal, largest = True, 0.0
    for worlds, threads in ((n, t) for n in sorted(WORLDS, reverse=True) for t in (1, 2) if t <= n):
        with closing(make_env("lift", worlds, threads)) as env:
            env.reset()
            env.set_state({key: values[:worlds] for key, values in recording.start.items()})
            steps = [env.step(action[:worlds])[:2] for action in recording.actions]
            found = {
                "physics": env.get_state()["physics"],
                "observations": np.stack([obs for obs, _ in steps], 1),
                "rewards": np.stack([reward for _, reward in steps], 1),
            }
        base = base or found
        equal &= np.array_equal(found["physics"], base["physics"][:worlds])
        for key in ("observations", "rewards"):
            largest = max(largest, float(np.abs(found[key] - base[key][:worlds]).max()))
    names, same = ", ".join(map(str, WORLDS)), "equal" if equal else "differs"
    what = f"physics after {len(recording.actions)} steps of the expert, N = {names}, 1 and 2 threads"
    return [
        Row(what, same, "equal bit for bit", equal),
        Row("observations and rewards, largest difference", f"{largest:.1e}", "≤ 1e-06", largest <= 1e-6),
    ]


def memory() -> list[Row]:
    """Memory of 64 worlds."""
    added, total = fresh.memory(64)
    return [
        Row("64 worlds, states: memory added to the imported modules", f"{added:.0f} MB"),
        at_most("64 worlds, states: memory of the process", [total], 300, "MB", ".0f"),
    ]


def soak() -> list[Row]:
    """Growth over 20,000 resets, in a process of its own."""
    script = Path(__file__).parent / "reliability" / "soak.py"
    done = subprocess.run([sys.executable, str(script), "--json-line"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    what = f"growth of memory over {found['resets']:,} resets"
    return [at_most(what, [found["growth_mb"]], found["allowed_mb"], "MB", ".2f")]


def starts() -> list[Row]:
    """Fresh processes with warm caches."""
    rows = []
    for mode, words, bound in (("state", "states", 1.0), ("vision", "images", 4.0)):
        fresh.first_step(mode)  # fills the caches
        starts = [fresh.first_step(mode) for _ in range(3)]
        clock, by_cpu = [start.seconds for start in starts], [start.cpu_seconds for start in starts]
        rows.append(at_most(f"warm start to first step, {words}", clock, bound, "s", ".2f", by_cpu))
    return rows


def first_use() -> list[Row]:
    """Fresh processes with empty caches; they must print a message about the compilation."""
    rows = []
    for mode, words, bound in (("state", "states", 12.0), ("vision", "images", 20.0)):
        start = fresh.first_step(mode, empty_caches=True)
        what = f"first use ever to first step, {words}"
        rows.append(at_most(what, [start.seconds], bound, "s", ".1f", [start.cpu_seconds]))
        messages = [line for line in start.stderr.splitlines() if "TeamVLA" in line]
        rows.append(
            Row(f"first use ever, printed messages, {words}", f"messages: {len(messages)}", "≥ 1", bool(messages))
        )
    return rows
