from dataclasses import replace
from html import unescape

import numpy as np
from teamvla_eval.demo.drawing import busy_html, frame_html, refused_html
from teamvla_eval.demo.protocol import Frame, View

VIEW = View(
    policy="expert", image=b"jpeg", aspect=1.5, goal="hold", time_s=0.16, phase=1, success=False, end_reason="",
    measures={"return": "-1.0"}, phases_seen=(0, 0, 1, 1, 1), events=((0.08, "bar pushed"),),
)  # fmt: skip
PHASES = ("approach", "grasp", "carry")


def test_a_frame_shows_instruction_phase_goal_and_measures():
    html = frame_html(Frame((VIEW,), PHASES, "hold the bar up"))
    for words in ("hold the bar up", 'now" style="background:#0ea5e9">grasp', "goal: hold", "-1.0", "bar pushed"):
        assert words in html
    assert "success" not in html
    assert html.count("<rect") == 3  # two phases and the push


def test_the_end_is_described():
    won = frame_html(Frame((replace(VIEW, success=True, end_reason="success"),), PHASES, ""))
    assert 'tv-end good">success' in won
    lost = frame_html(Frame((replace(VIEW, end_reason="object_left_table"),), PHASES, ""))
    assert 'tv-end bad">failed: an object left the table' in lost


def test_an_episode_whose_instruction_names_no_goal_is_not_judged():
    html = frame_html(Frame((replace(VIEW, judged=False, end_reason="success"),), PHASES, ""))
    assert "not judged" in html
    assert "ended: the seed's own goal was reached" in unescape(html)
    assert "tv-end good" not in html
    assert "goal: hold" not in html
    out_of_time = frame_html(Frame((replace(VIEW, judged=False, end_reason="time_limit"),), PHASES, ""))
    assert "tv-end bad" not in out_of_time


def test_nothing_that_was_typed_becomes_markup():
    evil = "<img src=x onerror=alert(1)>"
    frame = Frame((replace(VIEW, policy=evil, goal=evil, events=((0.0, evil),)),), (evil, evil), evil, evil)
    assert evil not in frame_html(frame) + refused_html(evil) + busy_html(evil)


def test_messages_are_a_row_of_cells_for_each_arm():
    html = frame_html(Frame((replace(VIEW, messages=np.array([[1.0, -0.5], [0.0, np.nan]])),), PHASES, ""))
    assert html.count("arm_0 says") == html.count("arm_1 says") == 1
    assert html.count('width="1"') == 4
