"""Agreement with gymnasium's ``TimeLimit``, which counts the steps of an episode on its own."""

import inspect
import weakref
from typing import Any

from gymnasium.wrappers import TimeLimit

UNLIMITED = 2**31  # max_episode_steps of an environment that never truncates


class TimeLimits:
    """The ``TimeLimit`` wrappers around an environment, synchronized with the environment's own count.

    A wrapper knows its environment, not the other way round, so wrappers are found on the stack of a call that came
    through them. A wrapper of our own in ``additional_wrappers`` would be simpler, but gymnasium refuses those
    together with a vector entry point.

    Args:
        env: The environment.
    """

    def __init__(self, env: Any):
        self._env = weakref.ref(env)
        self._wrappers: list[weakref.ref[TimeLimit]] | None = None

    @property
    def known(self) -> bool:
        """True after a call of :meth:`find`."""
        return self._wrappers is not None

    def find(self) -> int | None:
        """Find the wrappers that the present call came through, and return the lowest of their limits."""
        env = self._env()
        found: list[TimeLimit[Any, Any]] = []
        frame = inspect.currentframe()
        while frame is not None:
            caller = frame.f_locals.get("self")
            if isinstance(caller, TimeLimit) and caller.unwrapped is env and caller not in found:
                found.append(caller)
            frame = frame.f_back
        self._wrappers = [weakref.ref(wrapper) for wrapper in found]
        return min((int(wrapper._max_episode_steps) for wrapper in found), default=None)

    def expect(self, steps: int) -> None:
        """Set the count of each wrapper to ``steps`` after the present step."""
        for reference in self._wrappers or ():
            if (wrapper := reference()) is not None:
                wrapper._elapsed_steps = steps - 1  # type: ignore[assignment]
