"""The simulator's answers to one visitor."""

import io
import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.policies import make_policy
from teamvla_eval.demo import live as live_module
from teamvla_eval.demo import simulator as simulator_module
from teamvla_eval.demo.protocol import Choice, Ended, Frame, Refused, Run, Scene, Stop
from teamvla_eval.demo.settings import DemoSettings
from teamvla_eval.demo.visitors import Visitor

EXPERT = Choice("lift", 2, 0, ("expert",))


class Listener:
    """A policy that reads the instruction and holds still."""

    env_kwargs = {"obs_mode": "vision", "image_size": 16, "cameras": ("front",)}  # noqa: RUF012

    def bind(self, env: Any) -> None:
        self._size = env.num_arms * env.action_size

    def reset(self, mask: np.ndarray) -> None:
        pass

    def act(self, obs: Any) -> np.ndarray:
        return np.zeros((1, self._size), np.float32)


@pytest.fixture
def visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    """A visitor who may choose a listener besides the installed policies."""
    monkeypatch.setattr(
        live_module, "make_policy", lambda spec: Listener() if spec == "listener" else make_policy(spec)
    )
    ours, theirs = Pipe()
    threading.Thread(target=simulator_module._Visitor(theirs, DemoSettings(), tmp_path).serve, daemon=True).start()
    visitor = Visitor(ours)
    yield visitor
    visitor.close()


def short_run(visitor: Visitor, choice: Choice, instruction: str) -> tuple[Frame, Ended]:
    """First moment and end of a run that is stopped after a few steps."""
    answers = visitor.run(Run(choice, instruction))
    first, _ = next(answers), next(answers)
    assert isinstance(first, Frame), first
    visitor.send(Stop())
    *_, last = answers
    assert isinstance(last, Ended)
    return first, last


def height(frame: Frame) -> int:
    return Image.open(io.BytesIO(frame.views[0].image)).height


def test_images_at_rest_are_as_large_as_the_page_shows_them(visitor: Visitor):
    scene = visitor.look(EXPERT)
    assert isinstance(scene, Scene)
    moving, ended = short_run(visitor, EXPERT, "")
    assert (height(scene.frame), height(moving), height(ended.frame)) == (540, 236, 540)


def test_the_expert_asks_back_with_the_nearest_sentence(visitor: Visitor):
    (answer,) = visitor.run(Run(EXPERT, "hold bar up"))
    assert answer == Refused("I did not understand “hold bar up”. Did you mean “hold the bar up”?", "hold the bar up")
    (answer,) = visitor.run(Run(EXPERT, "make me a coffee"))
    assert isinstance(answer, Refused)
    assert "for example: “" in answer.reason
    assert answer.suggestion == ""


def test_a_learned_policy_is_not_judged_on_an_instruction_that_tells_no_goal(visitor: Visitor):
    learned = Choice("lift", 2, 0, ("listener",))
    moment, ended = short_run(visitor, learned, "hold bar up")
    assert (moment.instruction, moment.suggestion) == ("hold bar up", "hold the bar up")
    assert "listener is not judged. Did you mean “hold the bar up”?" in moment.note
    for view in (*moment.views, *ended.frame.views):
        assert (view.judged, view.success) == (False, False)
        assert view.measures.get("return", "–") == "–"
    with open_demos(ended.demonstrations[0]) as demos:
        assert demos.collection["judged"] is False
    for instruction in ("", "Hold the bar up!"):
        moment, _ = short_run(visitor, learned, instruction)
        assert (moment.views[0].judged, moment.note, moment.suggestion) == (True, "", "")


def test_the_expert_beside_it_acts_on_the_goal_of_the_seed_and_is_judged_by_it(visitor: Visitor):
    moment, _ = short_run(visitor, Choice("lift", 2, 0, ("expert", "listener")), "hold bar up")
    assert moment.instruction == "hold bar up"
    assert "expert does not read instructions and acts on the seed's own goal" in moment.note
    assert [view.judged for view in moment.views] == [True, False]
