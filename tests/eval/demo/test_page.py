"""Responses of the page's buttons, with a simulator that answers at once."""

import contextlib
import threading
from multiprocessing import Pipe
from typing import Any

import pytest
from teamvla_eval.demo.page import CSS, Handlers
from teamvla_eval.demo.protocol import Ended, Frame, Look, Refused, Run, Scene, View
from teamvla_eval.demo.settings import DemoSettings
from teamvla_eval.demo.visitors import Visitors

VIEW = View("expert", b"jpeg", 1.5, "hold", 0.0, 0, False, "", {})
FRAME = Frame((VIEW,), ("approach",), "hold the bar up")
LOOK_OUTPUTS = ("message", "stage", "suggestion", "instruction", "pick", "object", "frozen", "arms")


class Request:
    session_hash = "somebody"


class Ready:
    """A simulator that knows one instruction."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def connect(self) -> Any:
        ours, theirs = Pipe()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, pipe: Any) -> None:
        with contextlib.suppress(EOFError):
            while True:
                self._answer(pipe, pipe.recv())

    def _answer(self, pipe: Any, request: Any) -> None:
        self.asked.append(request)
        if isinstance(request, Look):
            pipe.send(Scene(FRAME, {"hold": ("hold the bar up",)}, ("bar",)))
        elif isinstance(request, Run) and request.instruction in ("", "hold the bar up"):
            pipe.send(FRAME)
            pipe.send(Ended(FRAME))
        elif isinstance(request, Run):
            pipe.send(Refused("Did you mean “hold the bar up”?", "hold the bar up"))


@pytest.fixture
def simulator() -> Ready:
    return Ready()


@pytest.fixture
def handlers(simulator: Ready) -> Any:
    return Handlers(DemoSettings(), Visitors(simulator, 8, 100))


def look(handlers: Any, task: Any = "lift", policy: Any = "expert", seed: Any = 0) -> list[dict[str, Any]]:
    """All answers, each by output."""
    answers = handlers.look(task, policy, "none", seed, 2, Request())
    return [dict(zip(LOOK_OUTPUTS, answer, strict=True)) for answer in answers]


def test_a_new_scene_leaves_what_was_typed_and_only_shows_its_own_instruction_as_a_hint(handlers: Any):
    for answer in look(handlers) + look(handlers, seed=5):
        assert "value" not in answer["instruction"]
    assert look(handlers)[-1]["instruction"]["placeholder"] == "hold the bar up"


def test_it_is_shown_that_something_is_being_worked_on_until_it_is_done(handlers: Any):
    first, *_, last = look(handlers)
    assert "preparing" in first["message"]
    assert last["message"] == ""
    messages = [answer[0] for answer in handlers.run("lift", "expert", "none", 0, 2, "", False, Request())]
    assert "preparing" in messages[0]
    assert "running" in messages[1]
    assert messages[-1] == ""


def test_the_labels_of_the_image_before_are_hidden_until_the_new_image_is_there(handlers: Any):
    first, *_, last = look(handlers)
    assert ("tv-stale" in first["message"], "tv-stale" in last["message"]) == (True, False)
    answers = list(handlers.run("lift", "random", "none", 0, 2, "", False, Request()))
    assert ["tv-stale" in answer[0] for answer in answers] == [True, False, False]
    assert "tv-tag" in answers[1][1]  # its labels come with the message that shows labels again
    (hiding,) = (rule for rule in CSS.split("}") if "tv-stale" in rule)
    assert "visibility: hidden" in hiding
    for label in (".tv-tag", ".tv-say", ".tv-clock", ".tv-row", ".tv-measures"):
        assert label in hiding


@pytest.mark.parametrize(
    ("seed", "given"),
    [
        (-3, "-3"),
        (1.5, "1.5"),
        (None, "empty"),
        (2**31, "2147483648"),
        ("x", "x"),
        (float("nan"), "nan"),
        (True, "True"),
    ],
)
def test_a_seed_that_is_none_is_explained_and_the_image_stays(handlers: Any, seed: Any, given: str):
    (answer,) = look(handlers, seed=seed)
    assert f"The seed is {given}, expected a whole number from 0 to 2147483647." in answer["message"]
    assert "value" not in answer["stage"]


def test_the_page_does_not_let_gradio_judge_or_round_the_seed():
    import gradio as gr
    from teamvla_eval.demo.page import make_page
    from teamvla_eval.demo.protocol import Choice

    page = make_page(
        DemoSettings(), Handlers(DemoSettings(), Visitors(Ready(), 1, 100)), Choice("lift", 2, 0, ("expert",))
    )
    (seed,) = (block for block in page.blocks.values() if isinstance(block, gr.Number))
    assert [seed.preprocess(value) for value in (-3, 1.5, None)] == [-3, 1.5, None]


def test_the_instruction_that_was_meant_is_offered(handlers: Any):
    *_, answer = handlers.run("lift", "expert", "none", 0, 2, "hold bar up", False, Request())
    message, stage, suggestion, *_ = answer
    assert "Did you mean “hold the bar up”?" in message
    assert (suggestion["value"], suggestion["visible"]) == ("hold the bar up", True)
    assert "value" not in stage
    again = list(handlers.run("lift", "expert", "none", 0, 2, "hold the bar up", False, Request()))
    assert again[0][2]["visible"] is False


def test_the_first_episode_ignores_half_an_instruction_and_gives_way_to_a_visitor_who_was_faster(
    handlers: Any, simulator: Ready
):
    look(handlers)
    assert list(handlers.run_first("lift", "expert", "none", 0, 2, Request()))
    assert [request.instruction for request in simulator.asked if isinstance(request, Run)] == [""]
    assert list(handlers.run_first("lift", "expert", "none", 0, 2, Request())) == []
