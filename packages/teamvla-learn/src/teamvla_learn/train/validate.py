"""Closed-loop validation of a policy in training: success rates on validation seeds.

Unlike ``teamvla bench`` it records nothing about an episode but its success.
"""

from contextlib import closing
from typing import Any

import numpy as np

from teamvla_learn.policies.checkpoint import Checkpoint

WORLDS = 16  # simulated in parallel


def success_rates(checkpoint: Checkpoint, episodes: int, threads: int | None = None) -> dict[str, float]:
    """Return the success rate of a policy in each of its tasks.

    Args:
        checkpoint: The policy.
        episodes: Episodes per task.
        threads: Threads for physics and rendering; None for one per core.

    Returns:
        Fraction of successful episodes, by task.
    """
    from gymnasium.vector import AutoresetMode
    from teamvla_envs.env.vector import TeamVectorEnv
    from teamvla_envs.rollout import rollout
    from teamvla_envs.seeds import episode_seeds

    from teamvla_learn.policies.checkpoint_policy import CheckpointPolicy

    seeds = episode_seeds("validation", episodes)
    rates: dict[str, float] = {}
    for task in checkpoint.info.tasks:
        policy = CheckpointPolicy(checkpoint)
        env: Any = TeamVectorEnv(
            task, min(WORLDS, episodes), autoreset_mode=AutoresetMode.DISABLED, num_threads=threads, **policy.env_kwargs
        )
        with closing(env):
            policy.bind(env)
            successes = [episode.success for episode in rollout(env, policy, map(int, seeds))]
        rates[task] = float(np.mean(successes))
    return rates
