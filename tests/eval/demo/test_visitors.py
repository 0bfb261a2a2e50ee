import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest
from teamvla_eval.demo.protocol import Choice, Ended, Frame, Freeze, Look, Push, Refused, Run, Scene, Stop
from teamvla_eval.demo.visitors import GONE, NoPlaceError, Visitor, Visitors

CHOICE = Choice("lift", 2, 0, ("expert",))
FRAME = Frame((), (), "hold the bar up")


class Echo:
    """A simulator whose runs go on until they are stopped, and which keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[object] = []
        self.left = 0

    def connect(self) -> "Connection[Any, Any]":
        ours, theirs = Pipe()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, pipe: "Connection[Any, Any]") -> None:
        try:
            while True:
                request = pipe.recv()
                self.requests.append(request)
                if isinstance(request, Look):
                    pipe.send(Scene(FRAME, {}, ()))
                elif isinstance(request, Run):
                    self._run(pipe)
        except (EOFError, OSError):
            self.left += 1

    def _run(self, pipe: "Connection[Any, Any]") -> None:
        while True:
            pipe.send(FRAME)
            time.sleep(0.005)
            while pipe.poll():
                self.requests.append(command := pipe.recv())
                if isinstance(command, Stop):
                    pipe.send(Ended(FRAME))
                    return


@pytest.fixture
def simulator() -> Echo:
    return Echo()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_goes_on_until_it_is_stopped_and_gets_all_commands(simulator: Echo):
    visitor = Visitor(simulator.connect())
    answers = visitor.run(Run(CHOICE, "hold the bar up"))
    assert isinstance(next(answers), Frame)
    visitor.send(Push("bar", (0.1, 0.0, 0.0)))
    visitor.send(Freeze((1,)))
    visitor.send(Stop())
    assert isinstance(list(answers)[-1], Ended)
    assert [command for command in simulator.requests if isinstance(command, (Push, Freeze))] == [
        Push("bar", (0.1, 0.0, 0.0)),
        Freeze((1,)),
    ]


def test_a_second_request_stops_the_run_of_the_first(simulator: Echo):
    visitor = Visitor(simulator.connect())
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.extend(visitor.run(Run(CHOICE, ""))))
    thread.start()
    _until(lambda: len(seen) > 2)
    assert isinstance(visitor.look(CHOICE), Scene)
    thread.join(10)
    assert isinstance(seen[-1], Ended)


def test_a_run_that_nobody_watches_any_more_is_stopped(simulator: Echo):
    visitor = Visitor(simulator.connect())
    answers = visitor.run(Run(CHOICE, ""))
    next(answers)
    answers.close()
    assert isinstance(visitor.look(CHOICE), Scene)


def test_visitors_beyond_the_places_are_turned_away_until_one_leaves(simulator: Echo):
    visitors = Visitors(simulator, places=2, idle_s=100)
    first, second = visitors.get("a"), visitors.get("b")
    assert visitors.get("a") is first is not second
    with pytest.raises(NoPlaceError):
        visitors.get("c")
    visitors.leave("a")
    _until(lambda: simulator.left == 1)
    assert visitors.get("c") is not second
    visitors.leave("nobody")


def test_a_visitor_is_busy_until_the_last_request_is_answered(simulator: Echo):
    visitor = Visitor(simulator.connect())
    answers = visitor.run(Run(CHOICE, ""))
    next(answers)
    assert visitor.is_busy
    scenes: list[object] = []
    thread = threading.Thread(target=lambda: scenes.append(visitor.look(CHOICE)))
    thread.start()
    *_, ended = answers
    assert isinstance(ended, Ended)
    thread.join(10)
    assert isinstance(scenes[0], Scene)
    assert not visitor.is_busy


def test_a_visitor_who_leaves_during_a_run_ends_it_without_an_error(simulator: Echo):
    visitor = Visitor(simulator.connect())
    answers = visitor.run(Run(CHOICE, ""))
    next(answers)
    threading.Timer(0.05, visitor.close).start()
    assert list(answers)[-1] == GONE


def test_idle_visitors_lose_their_place_and_can_come_back(simulator: Echo):
    visitors = Visitors(simulator, places=1, idle_s=0.05)
    first = visitors.get("a")
    assert isinstance(first.look(CHOICE), Scene)
    time.sleep(0.1)
    assert visitors.get("b") is not first  # the place was free again
    time.sleep(0.1)
    visitors.leave_idle()
    assert len(visitors) == 0
    assert isinstance(visitors.get("a").look(CHOICE), Scene)


def test_a_simulator_that_ended_is_reported(simulator: Echo):
    visitor = Visitor(simulator.connect())
    visitor.close()
    assert visitor.look(CHOICE) == GONE
    assert list(visitor.run(Run(CHOICE, ""))) == [GONE]
    assert isinstance(GONE, Refused)
    visitor.send(Stop())
