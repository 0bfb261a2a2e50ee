# /// script
# requires-python = ">=3.10"
# dependencies = ["gymnasium-robotics==1.4.2", "mujoco", "pettingzoo"]
#
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""Cost of MaMuJoCo's parallel view over the single environment that it wraps: Ant as two agents, and Ant alone.

``uv run benchmarks/peers/mamujoco.py`` installs gymnasium-robotics into an environment of its own, measures, and prints
lines of JSON. Both variants take the same uniformly random actions.
"""

import time
from typing import Any

import rounds  # ty: ignore[import-not-found]  # beside this script

EPISODE = 100


def start() -> tuple[dict[str, Any], dict[str, rounds.Round]]:
    began = time.perf_counter()
    import gymnasium_robotics  # ty: ignore[import-not-found]  # lives in this script's own environment
    import mujoco
    import numpy as np
    from gymnasium_robotics import mamujoco_v1  # ty: ignore[import-not-found]

    team = mamujoco_v1.parallel_env(scenario="Ant", agent_conf="2x4", terminate_when_unhealthy=False)
    single = team.single_agent_env
    team.reset(seed=0)
    generator = np.random.default_rng(0)
    actions = [
        {
            agent: generator.uniform(space.low, space.high).astype(space.dtype)
            for agent, space in team.action_spaces.items()
        }
        for _ in range(EPISODE)
    ]
    joint = [team.map_local_actions_to_global_action(action) for action in actions]
    team.step(actions[0])
    start_s = time.perf_counter() - began
    bare = single.unwrapped
    facts = {
        "name": "MaMuJoCo Ant 2x4", "control_dt": bare.dt, "start_s": start_s, "physics_steps": bare.frame_skip,
        "versions": {"gymnasium-robotics": gymnasium_robotics.__version__, "mujoco": mujoco.__version__},
    }  # fmt: skip
    return facts, {
        "parallel": lambda seconds: rounds.rate(
            lambda i: team.step(actions[i]), lambda: team.reset(seed=0), seconds, EPISODE
        ),
        "single": lambda seconds: rounds.rate(
            lambda i: single.step(joint[i]), lambda: single.reset(seed=0), seconds, EPISODE
        ),
    }


if __name__ == "__main__":
    rounds.run(__doc__, start)
