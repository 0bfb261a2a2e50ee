"""Other sentences that are true of a demonstration.

A demonstration is told in one sentence, but the task knows more that would have been right: the stand could have been
named by its color, its side or its height, in many wordings. A policy that hears all of them cannot learn a sentence
and a scene by heart; it has to find out what the words mean.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

_FACTS = "episode."  # prefix of the task's facts about an episode among the recorded states


class Paraphraser:
    """Asks the task that was demonstrated.

    Args:
        env_kwargs: Arguments that rebuild the environment of the demonstrations.
    """

    def __init__(self, env_kwargs: Mapping[str, Any]):
        from teamvla_envs.registration import get_task, registered_tasks

        name = env_kwargs.get("task")
        names = ("num_arms", "split", "randomization")
        chosen = {key: env_kwargs[key] for key in names if key in env_kwargs}
        self._task = get_task(str(name))(**chosen) if name in registered_tasks() else None

    def sentences(self, instruction: str, states: Mapping[str, np.ndarray]) -> tuple[str, ...]:
        """Return the sentences that are true of a demonstration.

        Args:
            instruction: The sentence that it was told in, which comes first.
            states: Its recorded states, first axis T+1.
        """
        facts = {key.removeprefix(_FACTS): values[:1] for key, values in states.items() if key.startswith(_FACTS)}
        if self._task is None or not facts:
            return (instruction,)
        return tuple(dict.fromkeys((instruction, *self._task.sentences(facts, 0))))
