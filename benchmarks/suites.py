"""Comparison with other suites, in alternating turns."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import gymnasium
import teamvla_envs  # noqa: F401  registers the ids
from layers import make_env, random_steps
from measure import Rate, alternate, spread, time_once, wall
from peer import Peer
from row import Row, at_least, extra_time

LIFT = "TeamVLA/Lift-v0"
EPISODE = 100  # control steps between resets, as in the peers' scripts
IMAGE_STEPS = 20
MANISKILL_TABLE = 492  # control steps/s with joint control on a machine of this kind, the basis of the threshold


def robosuite(rounds: int, seconds: float) -> list[Row]:
    """TwoArmLift: states, and three cameras."""
    with closing(Peer("robosuite_two_arm", seconds)) as peer, closing(gymnasium.make(LIFT)) as single:
        name, facts = peer.facts["name"], peer.facts
        fractions: list[float] = []

        def theirs() -> Rate:
            rates = peer.measure("state")
            fractions.append(rates["steps_per_s"] * facts["physics_steps"] / rates["raw_mj_steps_per_s"])
            return _rate(rates)

        states = alternate({"ours": _turn(single, EPISODE, seconds), "theirs": theirs}, rounds)
        rows = [
            Row(f"{name}, control steps/s", f"{spread(wall(states['theirs'])):,.0f}"),
            Row(f"{name}, of its raw mj_step", f"{spread(fractions):.2f}"),
            Row(f"{name}, import to first step", f"{facts['start_s']:.1f} s"),
            at_least("single environment, states, over robosuite", states["ours"], states["theirs"], 40),
        ]
        if facts["problem"]:
            reason = " ".join(facts["problem"].split())  # a cell is one line
            return [*rows, Row(f"{name}, images", f"not measured: {reason}")]
        return rows + _robosuite_images(peer, rounds, seconds)


def _robosuite_images(peer: Peer, rounds: int, seconds: float) -> list[Row]:
    kwargs: dict[str, Any] = {"obs_mode": "vision", "image_size": 84}
    with (
        closing(gymnasium.make(LIFT, num_threads=1, **kwargs)) as single,
        closing(make_env("lift", 16, 1, **kwargs)) as one,
        closing(make_env("lift", 16, 2, **kwargs)) as two,
    ):
        rates = alternate(
            {
                "single": _turn(single, IMAGE_STEPS, seconds),
                "one": _turn(one, IMAGE_STEPS, seconds),
                "two": _turn(two, IMAGE_STEPS, seconds),
                "theirs": lambda: _rate(peer.measure("images")),
            },
            rounds,
        )
    images = {key: f"{spread([3 * rate for rate in wall(turns)]):,.1f}" for key, turns in rates.items()}
    return [
        Row(f"{peer.facts['name']}, images/s", images["theirs"]),
        Row("Lift, single environment, 1 thread, images/s", images["single"]),
        Row("Lift, 16 worlds, 2 threads, images/s", images["two"]),
        at_least("single environment, 1 thread, images, over robosuite", rates["single"], rates["theirs"], 50),
        at_least("16 worlds, 1 thread, images, over robosuite", rates["one"], rates["theirs"], None),
        at_least("16 worlds, 2 threads, images, over robosuite", rates["two"], rates["theirs"], 90),
    ]


def maniskill(rounds: int, seconds: float) -> list[Row]:
    """TwoRobotPickCube on the CPU, as measured here and as in ``MANISKILL_TABLE``."""
    with closing(Peer("maniskill_two_robot", seconds)) as peer, closing(gymnasium.make(LIFT)) as single:
        rates = alternate(
            {
                "ours": _turn(single, EPISODE, seconds),
                "joint": lambda: _rate(peer.measure("joint")),
                "end_effector": lambda: _rate(peer.measure("end_effector")),
            },
            rounds,
        )
        name, start_s = peer.facts["name"], peer.facts["start_s"]
    over_table = spread([rate / MANISKILL_TABLE for rate in wall(rates["ours"])])
    return [
        Row(f"{name}, joints, control steps/s", f"{spread(wall(rates['joint'])):,.0f}"),
        Row(f"{name}, end effectors, control steps/s", f"{spread(wall(rates['end_effector'])):,.0f}"),
        Row(f"{name}, import to first step", f"{start_s:.1f} s"),
        Row(f"single environment over {MANISKILL_TABLE} steps/s (ManiSkill, joints, quiet)", f"{over_table:.1f}",
            "≥ 8", over_table.median >= 8),
        at_least("single environment, states, over ManiSkill with joints", rates["ours"], rates["joint"], None),
        at_least("single environment, states, over ManiSkill with end effectors", rates["ours"],
                 rates["end_effector"], None),
    ]  # fmt: skip


def mamujoco(rounds: int, seconds: float) -> list[Row]:
    """Additional time of MaMuJoCo's parallel view over its single environment."""
    with closing(Peer("mamujoco", seconds / 2)) as peer:
        rates = alternate(
            {
                "single": lambda: _rate(peer.measure("single")),
                "parallel": lambda: _rate(peer.measure("parallel")),
            },
            rounds,
        )
        what = f"{peer.facts['name']}, parallel view, time over its single environment"
    return [extra_time(what, rates["single"], rates["parallel"], None)]


def _turn(env: Any, steps: int, seconds: float) -> Callable[[], Rate]:
    """A turn of random steps."""
    candidate = random_steps(env, steps)
    return lambda: time_once(candidate, seconds)


def _rate(measured: dict[str, Any]) -> Rate:
    return Rate(measured["steps_per_s"], measured["steps_per_cpu_s"])
