"""The page for visitors before Gradio is loaded."""

import asyncio
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from teamvla_eval.demo.prelude import Opening, Prelude
from teamvla_eval.demo.protocol import Choice, Ended, Frame, Look, Run, Scene, Stop, View

FIRST = Choice("lift", 2, 0, ("expert",))


def frame(time_s: float) -> Frame:
    return Frame((View("expert", b"jpeg", 1.5, "hold", time_s, 0, False, "", {}),), ("approach",), "lift the bar")


class Film:
    """A simulator that shows the scene, then one moment after the other until it is stopped."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.looked, self.ended = False, threading.Event()

    def connect(self) -> Any:
        ours, theirs = Pipe()
        threading.Thread(target=self._play, args=(theirs,), daemon=True).start()
        return ours

    def _play(self, pipe: Any) -> None:
        moment = 0.0
        while True:
            while pipe.poll(0.01):
                self.asked.append(pipe.recv())
            if self.asked[1:2] == [Look(FIRST)] and not self.looked:
                self.looked = True
                pipe.send(Scene(frame(0.0), {}, ()))
            if Stop() in self.asked[4:]:  # whoever asks first stops what ran before
                pipe.send(Ended(frame(moment)))
                self.ended.set()
                return
            if self.asked[3:4] == [Run(FIRST, "")]:
                moment += 0.04
                pipe.send(frame(moment))


@contextmanager
def opened(made: threading.Event) -> Generator[tuple[TestClient, Film]]:
    """A client of an application whose page is made when the event is set."""
    film = Film()
    page = FastAPI()
    page.get("/")(lambda: "the real page")

    def make() -> FastAPI:
        assert made.wait(30)
        return page

    with TestClient(Opening(make, Prelude(film, FIRST))) as client:
        yield client, film
        made.set()


def later(check: Any) -> Any:
    """The first true result of the check."""
    for _ in range(1000):
        if found := check():
            return found
        time.sleep(0.01)
    pytest.fail("nothing happened")


def test_the_first_episode_moves_until_the_page_is_there():
    made = threading.Event()
    with opened(made) as (client, film):
        assert "being set up" in client.get("/").text
        first = later(lambda: client.get("/prelude").text)
        assert "lift the bar" in first
        assert later(lambda: (text := client.get("/prelude").text) != first and text)
        assert client.get("/elsewhere").status_code == 503
        made.set()
        assert later(
            lambda: client.get("/").json() == "the real page" if client.get("/prelude").status_code == 404 else 0
        )
        assert film.ended.wait(10)


def test_images_move_for_a_moment_though_the_page_is_there_at_once():
    made = threading.Event()
    made.set()
    with opened(made) as (client, film):
        seen = set()
        while (answer := client.get("/prelude")).status_code != 404:
            seen.add(answer.text)
        assert len(seen) > 10
        assert film.ended.wait(10)


def test_it_can_be_ended_before_the_page_is_there():
    with opened(threading.Event()) as (client, _):
        assert client.get("/prelude").status_code in (200, 204)


def test_a_simulator_that_does_not_start_leaves_the_page_empty():
    class Broken:
        def connect(self) -> Any:
            raise ConnectionError("the simulator did not start")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    prelude: Any = Prelude(Broken(), FIRST)
    asyncio.run(prelude({"type": "http", "path": "/prelude"}, None, send))
    assert sent[0]["status"] == 204
