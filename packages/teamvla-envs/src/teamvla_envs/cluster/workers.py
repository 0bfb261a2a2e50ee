"""Processes of a Ray cluster that run episodes: seeds are sent in chunks, results are returned one by one.

The result of a seed does not depend on the process that runs it. When a process is lost, alone or with its machine,
its unfinished seeds are run again in another process.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

Result = TypeVar("Result")
Work = Callable[[Sequence[int]], Iterable[tuple[int, Result]]]

_PATIENCE: Final = 3  # consecutive losses of a worker without a result that count as a failure

_log = logging.getLogger(__name__)


def chunk_size(count: int, workers: int, largest: int) -> int:
    """Return how many of ``count`` seeds to hand out at once, so that all workers get the same number of chunks.

    Args:
        count: Number of seeds.
        workers: Number of workers.
        largest: Most seeds of a chunk.
    """
    rounds = -(-count // (workers * largest))
    return -(-count // (workers * rounds))


class WorkerPool:
    """The processes of a connected cluster; see ``RayEngine.connect``."""

    def __init__(self, size: int, threads: int) -> None:
        """Start nothing yet.

        Args:
            size: Number of processes.
            threads: CPU cores that each occupies.
        """
        self.size = size
        self._workers = [_Worker(threads) for _ in range(size)]

    def run(self, work: Work[Result], take: Callable[[], Sequence[int]]) -> Generator[tuple[int, Result]]:
        """Run seeds and yield each with its result as it finishes.

        Args:
            work: Runs in the workers: takes seeds, yields each with its result. It is pickled, so it must be a
                module's function or a ``functools.partial`` of one.
            take: Returns the next seeds to run together; empty when there are none at present. It is called again
                after each result.

        Raises:
            RuntimeError: When a worker is lost again and again.
        """
        waiting: list[Sequence[int]] = []
        try:
            while True:
                for worker in self._workers:
                    if worker.lost:
                        worker.ask(
                            work, []
                        )  # receives seeds after its first answer: a full cluster may keep it waiting
                    if not waiting and (seeds := take()):
                        waiting.append(seeds)
                    if waiting and worker.idle:
                        worker.ask(work, waiting.pop())
                if not waiting and not any(worker.seeds for worker in self._workers):
                    return
                worker = _first_to_answer(self._workers)
                try:
                    answer = worker.answer()
                except _WorkerLostError as loss:
                    _log.warning("a Ray worker was lost, %d unfinished episodes are redone", len(worker.seeds))
                    if worker.losses == _PATIENCE:
                        raise RuntimeError(
                            f"a Ray worker was lost {_PATIENCE} times without a result, last with seeds "
                            f"{worker.seeds}; is its memory too small? {loss}"
                        ) from loss
                    if worker.seeds:
                        waiting.append(worker.seeds)
                        worker.seeds = []
                else:
                    if answer is not None:
                        yield answer
        finally:
            for worker in self._workers:
                if worker.seeds:
                    worker.end()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.end()


class _WorkerLostError(Exception):
    """A worker's process is gone."""


@dataclass(eq=False)
class _Worker:
    """One process, which handles one request at a time; when it is lost, the next request goes to a new one."""

    threads: int
    seeds: list[int] = field(default_factory=list)  # asked for and not answered
    losses: int = 0  # since its last result
    stream: Any = None  # answers on their way; None when nothing is asked
    _actor: Any = None

    @property
    def lost(self) -> bool:
        return self._actor is None

    @property
    def idle(self) -> bool:
        return self.stream is None

    def ask(self, work: Work[Any], seeds: Sequence[int]) -> None:
        import ray

        if self._actor is None:
            process: Any = ray.remote(num_cpus=self.threads, max_restarts=0, max_task_retries=0)(_Process)
            self._actor = process.remote()
        self.seeds = list(seeds)
        self.stream = self._actor.run.options(num_returns="streaming").remote(work, self.seeds)

    def answer(self) -> tuple[int, Any] | None:
        """Wait for a seed and its result; None when the process has finished its request."""
        import ray
        from ray import exceptions

        lost = (
            exceptions.RayActorError,
            exceptions.ObjectLostError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.WorkerCrashedError,
        )
        try:
            seed, result = ray.get(next(self.stream))
        except StopIteration:
            self.stream = None
            return None
        except exceptions.RayTaskError as error:
            raise error.cause from error
        except lost as error:
            self.losses += 1
            self.end()
            raise _WorkerLostError(str(error).partition("\n")[0]) from error
        self.losses = 0
        self.seeds.remove(seed)
        return seed, result

    def end(self) -> None:
        import ray

        if self._actor is not None:
            ray.kill(self._actor)
        self._actor = self.stream = None


class _Process:
    """Actor in the process of a worker."""

    def run(self, work: Work[Result], seeds: Sequence[int]) -> Iterator[tuple[int, Result]]:
        for answer in work(seeds) if seeds else ():  # noqa: UP028 (Ray sends values, which only generators take)
            yield answer


def _first_to_answer(workers: Sequence[_Worker]) -> _Worker:
    import ray

    asked = {worker.stream: worker for worker in workers if not worker.idle}
    ready, _ = ray.wait(list(asked), num_returns=1)
    return asked[ready[0]]
