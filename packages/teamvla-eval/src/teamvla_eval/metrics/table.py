"""The metric table: every quantity that is measured in an episode, one row each.

Records, ``results.json``, the tables, the reports and the demo read this table. Packages add rows through the
entry-point group ``teamvla.metrics``, whose values are :class:`~teamvla_eval.metrics.metric.Metric` objects.
"""

import importlib.metadata
from collections.abc import Callable
from functools import cache
from typing import Final

from teamvla_envs.errors import UserError

from teamvla_eval.metrics.episode_metrics import (
    action_change,
    collision_cost,
    coordination_score,
    dropped_objects,
    energy,
    idle_time,
)
from teamvla_eval.metrics.metric import Metric, decimals, mean, mean_or_zero, mean_per_arm
from teamvla_eval.metrics.trace import EpisodeTrace
from teamvla_eval.metrics.value_checks import amount, amounts, count, or_null, share, text

METRIC_GROUP: Final = "teamvla.metrics"
# Keys of records and figures that no metric may have.
RESERVED: Final = frozenset((
    "policy", "task", "seed", "goal", "instruction", "success", "steps", "time_to_success_s", "return", "final_phase",
    "end_reason", "said_goal", "said_success", "episodes", "successes", "success_rate", "wilson_95",
    "time_to_success_mean_s", "mean_return", "joint_episodes", "said_success_rate", "unstable", "goals", "wall_s",
    "crc32",
))  # fmt: skip


def _amount(name: str, title: str, compute: Callable[[EpisodeTrace], float], unit: str = "", digits: int = 2) -> Metric:
    """A quantity that every episode has and that is not negative."""
    return Metric(
        name, title, compute, unit, decimals(digits),
        aggregate=mean_or_zero, check=amount, check_aggregate=amount, default=0.0,
    )  # fmt: skip


BUILTIN: Final = (
    Metric(
        "furthest_phase", "furthest phase", lambda t: t.phases[int(t.phase.max())],
        format=str, aggregate=None, check=text, default="",
    ),
    Metric(
        "coordination_score", "coordination", lambda t: coordination_score(t.roles, t.cooperative),
        aggregate=mean, check=or_null(share), check_aggregate=or_null(share), counted_as="joint_episodes",
    ),
    _amount(
        "collision_cost", "collision", lambda t: collision_cost(t.contact_force[:, t.collisions], t.dt), "N·s",
    ),
    Metric(
        "dropped_objects", "dropped", lambda t: dropped_objects(t.touched, t.body_height),
        aggregate=mean_or_zero, check=count, check_aggregate=amount, default=0,
    ),
    Metric(
        "idle_time_s", "idle per arm", lambda t: tuple(idle_time(t.joint_vel, t.touching, t.dt).tolist()),
        unit="s", format=decimals(1), aggregate=mean_per_arm, check=amounts, check_aggregate=amounts, default=(),
    ),
    _amount("action_change", "action change", lambda t: action_change(t.actions), digits=3),
    _amount("energy", "energy", lambda t: energy(t.torque, t.joint_vel, t.dt), "J", digits=0),
)  # fmt: skip


@cache
def all_metrics() -> tuple[Metric, ...]:
    """The built-in metrics, then those of installed packages by name.

    Raises:
        UserError: If a package registers something else than a metric, or a name that is taken.
    """
    found = sorted(importlib.metadata.entry_points(group=METRIC_GROUP), key=lambda entry: entry.name)
    rows = [*BUILTIN]
    for entry in found:
        try:
            metric = entry.load()
        except (ImportError, AttributeError) as error:
            raise UserError(f"metric {entry.name} ({entry.value}) cannot be loaded: {error}") from error
        if not isinstance(metric, Metric):
            raise UserError(f"metric {entry.name} ({entry.value}) is {type(metric).__name__}, expected Metric")
        if metric.name in RESERVED or metric.name in {row.name for row in rows}:
            raise UserError(f"metric {entry.name} ({entry.value}) has the name {metric.name!r}, which is taken")
        rows.append(metric)
    return tuple(rows)


def summarized_metrics() -> tuple[Metric, ...]:
    """The metrics that have a summary over episodes."""
    return tuple(metric for metric in all_metrics() if metric.aggregate is not None)


def registered_metrics() -> tuple[Metric, ...]:
    """The metrics of installed packages; files from other installations can lack them."""
    return all_metrics()[len(BUILTIN) :]
