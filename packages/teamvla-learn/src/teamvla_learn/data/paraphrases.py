"""Paraphrases: all sentences that are true of a demonstration.

A demonstration records one instruction, but its task knows other correct ones: the stand can be named by its color, its
side or its height, in many wordings. Training on all of them prevents a policy from memorizing pairs of instruction and
scene.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


class Paraphraser:
    """Paraphrases the instructions of one task.

    Args:
        env_kwargs: Arguments of the environment of the demonstrations.
    """

    def __init__(self, env_kwargs: Mapping[str, Any]):
        from teamvla_envs.registration import get_task, registered_tasks

        name = env_kwargs.get("task")
        names = ("num_arms", "split", "randomization")
        chosen = {key: env_kwargs[key] for key in names if key in env_kwargs}
        self._task = get_task(str(name))(**chosen) if name in registered_tasks() else None

    def sentences(self, instruction: str, states: Mapping[str, np.ndarray]) -> tuple[str, ...]:
        """Return all sentences that are true of a demonstration.

        Args:
            instruction: The recorded instruction, which is returned first.
            states: Its recorded states; the first axis is T + 1.
        """
        from teamvla_envs.env.saved_state import facts_of

        facts = {key: values[:1] for key, values in facts_of(states).items()}
        if self._task is None or not facts:
            return (instruction,)
        return tuple(dict.fromkeys((instruction, *self._task.sentences(facts, 0))))
