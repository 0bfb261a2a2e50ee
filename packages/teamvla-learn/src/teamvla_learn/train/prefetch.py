"""Batches of coming steps, made on threads of their own while a GPU computes the present one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Made = TypeVar("Made")

STEPS = 2  # that are made ahead, each on a thread of its own


class MadeAhead(Generic[Made]):
    """Something for each step that depends on the step alone.

    Args:
        make: Makes it, on any thread.
    """

    def __init__(self, make: Callable[[int], Made]):
        self._make = make
        self._pool = ThreadPoolExecutor(STEPS, "ahead")
        self._coming: dict[int, Future[Made]] = {}

    def __call__(self, step: int) -> Made:
        """Return what is made for a step, and begin with those after it."""
        steps = range(step, step + STEPS + 1)
        self._coming = {s: self._coming.get(s) or self._pool.submit(self._make, s) for s in steps}
        return self._coming.pop(step).result()
