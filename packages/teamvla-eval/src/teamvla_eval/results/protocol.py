"""Protocol of TeamVLA-Bench v0 as data; ``docs/benchmark.md`` describes it.

Tasks, seeds, horizon, physics settings and metrics are part of the version.
"""

from collections.abc import Mapping
from typing import Any, Final

from teamvla_envs.seeds import SEED_SETS

from teamvla_eval.results.results import PROTOCOL, BenchResults

TASKS: Final = ("lift", "handoff", "drawer")
EPISODES: Final = 200
SPLITS: Final = ("train", "unseen")
SETTINGS: Final[Mapping[str, Any]] = {
    "episodes": EPISODES,
    "seed_set": "test",
    "offset": 0,
    "num_arms": 2,
    "randomization": "default",
    "freeze_arm": None,
    "drop_messages": None,
    "swap_instruction": False,
    "blind": False,
}


def deviations(results: BenchResults) -> list[str]:
    """Deviations of a run from the protocol, one text each; empty for a valid run."""
    found = []
    if results.protocol != PROTOCOL:
        found.append(f"protocol is {results.protocol!r}, this version has {PROTOCOL!r}")
    for name, wanted in SETTINGS.items():
        if results.settings.get(name) != wanted:
            found.append(f"{name} is {results.settings.get(name)}, the protocol has {wanted}")
    if results.settings.get("split") not in SPLITS:
        found.append(f"split is {results.settings.get('split')}, the protocol has {' and '.join(SPLITS)}")
    missing = [task for task in TASKS if task not in results.tasks]
    if missing:
        found.append(f"tasks lack {', '.join(missing)}")
    if not found:
        seeds = list(SEED_SETS["test"][:EPISODES])
        for suite in results.suites:
            if [record.seed for record in suite.records] != seeds:
                found.append(f"{suite.policy} on {suite.task} did not run seeds {seeds[0]} to {seeds[-1]} in order")
    return found
