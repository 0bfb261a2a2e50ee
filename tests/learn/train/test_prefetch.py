from threading import Event

from teamvla_learn.train.trainer import PREFETCHED_STEPS, Prefetcher


def test_what_is_made_for_a_step_is_made_once_and_ahead():
    made: list[int] = []
    last = Event()

    def make(step: int) -> str:
        made.append(step)
        if step == 5 + PREFETCHED_STEPS:
            last.set()
        return f"step {step}"

    ahead = Prefetcher(make)
    assert [ahead(step) for step in range(6)] == [f"step {step}" for step in range(6)]
    assert last.wait(timeout=60)
    assert sorted(made) == list(range(6 + PREFETCHED_STEPS))


def test_goes_on_from_any_step():
    ahead = Prefetcher(lambda step: step * step)
    assert [ahead(step) for step in (3, 4, 100, 7)] == [9, 16, 10_000, 49]
