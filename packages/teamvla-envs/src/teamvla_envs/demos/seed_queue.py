"""Queue of the seeds of a collection, which keeps the first successful ones for any number of worlds."""

from collections.abc import Iterable, Sequence


class SeedSchedule:
    """Hands out seeds in order until the first ``wanted`` successes in the order of seeds are certain.

    A seed is handed out only when the known successes and the running episodes before it do not suffice. So no
    episode is wasted unless an earlier one fails, and the outcome is the same for any number of worlds.
    """

    def __init__(
        self, seeds: Sequence[int], wanted: int, succeeded: Iterable[int] = (), failed: Iterable[int] = ()
    ) -> None:
        """Start, or continue after known outcomes.

        Args:
            seeds: Seeds to try, in order.
            wanted: Number of successes that are needed.
            succeeded: Seeds that are known to succeed.
            failed: Seeds that are known to fail.
        """
        self._seeds = seeds
        self._wanted = wanted
        self._succeeded = set(succeeded)
        self._failed = set(failed)
        self._running: set[int] = set()

    def take(self) -> int | None:
        """Return the next seed to run, or None when none is needed at present."""
        for seed in self._needed():
            if seed not in self._succeeded and seed not in self._running:
                self._running.add(seed)
                return seed
        return None

    def finish(self, seed: int, success: bool) -> None:
        """Record the outcome of a seed's episode."""
        self._running.discard(seed)
        (self._succeeded if success else self._failed).add(seed)

    @property
    def kept(self) -> list[int]:
        """The successful seeds among the first ``wanted`` candidates, in order; once done, all of these."""
        return [seed for seed in self._needed() if seed in self._succeeded]

    @property
    def failed(self) -> list[int]:
        """The failed seeds that had to be replaced, in order."""
        last = max(self._needed(), default=-1)
        return sorted(seed for seed in self._failed if seed < last)

    @property
    def remaining(self) -> int:
        """Number of episodes that still have to succeed."""
        return self._wanted - len(self.kept)

    def _needed(self) -> list[int]:
        needed: list[int] = []
        for seed in self._seeds:
            if len(needed) == self._wanted:
                break
            if seed not in self._failed:
                needed.append(seed)
        return needed
