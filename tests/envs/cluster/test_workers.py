import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from teamvla_envs.cluster.engine import RayEngine
from teamvla_envs.cluster.workers import chunk_size
from teamvla_envs.errors import UserError


@pytest.fixture
def engine(ray_engine: RayEngine) -> RayEngine:
    """The cluster, to which functions of this module are sent as they are, because its processes cannot import it."""
    ray_engine.import_ray().cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return ray_engine


def squares(seeds: Sequence[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Each seed's square, and the process that computed it."""
    for seed in seeds:
        time.sleep(0.05)
        yield seed, (seed**2, os.getpid())


def fails(seeds: Sequence[int]) -> Iterator[tuple[int, int]]:
    for seed in seeds:
        if seed == 2:
            raise UserError("seed is 2, expected another")
        yield seed, seed


def dies(seeds: Sequence[int]) -> Iterator[tuple[int, int]]:
    for seed in seeds:
        os.kill(os.getpid(), signal.SIGKILL)
        yield seed, seed


def in_chunks(*chunks: list[int]) -> Callable[[], list[int]]:
    left = iter(chunks)
    return lambda: next(left, [])


def test_what_a_killed_worker_had_not_finished_is_redone(engine: RayEngine, caplog: pytest.LogCaptureFixture):
    seeds, killed = list(range(40)), 0
    answered: list[int] = []
    with engine.connect() as pool:
        for seed, (square, process) in pool.run(squares, in_chunks(seeds[:20], seeds[20:])):
            assert (square, process != os.getpid()) == (seed**2, True)
            answered.append(seed)
            if len(answered) == 5:
                os.kill(process, signal.SIGKILL)
                killed = process
            elif killed and len(answered) > 20:
                assert process != killed
    assert sorted(answered) == seeds  # none twice
    assert "a Ray worker was lost" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_work_that_kills_every_worker_is_given_up():
    with (
        RayEngine(workers=1).connect() as pool,
        pytest.raises(RuntimeError, match=r"lost 3 times without a result.*\[7\]"),
    ):
        list(pool.run(dies, in_chunks([7])))


@pytest.mark.usefixtures("engine")
def test_an_error_of_the_work_arrives_as_it_was_raised_and_the_workers_stay_usable():
    with RayEngine(workers=1).connect() as pool:
        with pytest.raises(UserError, match=r"^seed is 2, expected another$"):
            list(pool.run(fails, in_chunks([1, 2], [3])))
        assert dict(pool.run(fails, in_chunks([4, 5]))) == {4: 4, 5: 5}


def test_more_workers_than_the_cluster_has_processors_are_refused(engine: RayEngine):
    too_many = pytest.raises(UserError, match=r"workers is 99, .* the cluster's 2 processors; expected at most 2")
    with too_many, RayEngine(workers=99).connect():
        pass


@pytest.mark.parametrize(
    ("count", "workers", "largest", "size"),
    [(100, 2, 16, 13), (32, 2, 16, 16), (3, 2, 16, 2), (1, 8, 16, 1), (100, 1, 100, 100), (17, 1, 16, 9)],
)
def test_chunks_are_even_and_as_large_as_allowed(count: int, workers: int, largest: int, size: int):
    assert chunk_size(count, workers, largest) == size
