"""HTML of a frame: images, phases, success, metrics and messages. All text is escaped."""

import base64
from collections.abc import Sequence
from html import escape
from itertools import groupby

import numpy as np

from teamvla_eval.demo.protocol import Frame, View

PHASE_COLORS = ("#64748b", "#0ea5e9", "#6366f1", "#a855f7", "#f59e0b", "#10b981", "#ef4444", "#14b8a6")
END_WORDS = {
    "success": "success",
    "object_left_table": "failed: an object left the table",
    "time_limit": "failed: out of time",
}
NOT_JUDGED_WORDS = {
    "success": "ended: the seed's own goal was reached",
    "object_left_table": "ended: an object left the table",
    "time_limit": "ended: out of time",
}
STYLE = """
.tv-stage { display: flex; gap: 16px; flex-wrap: wrap; }
.tv-view { flex: 1 1 360px; min-width: 0; max-width: 800px; }
.tv-pic { position: relative; width: 100%; border-radius: 8px; overflow: hidden; background: #ccdbeb; }
.tv-pic img { display: block; width: 100%; }
.tv-tag { position: absolute; left: 8px; top: 8px; background: #0f172acc; color: #fff; border-radius: 6px;
  padding: 2px 8px; font-size: 13px; }
.tv-clock { position: absolute; left: 8px; bottom: 8px; background: #0f172acc; color: #fff; border-radius: 6px;
  padding: 2px 8px; font-size: 13px; font-variant-numeric: tabular-nums; }
.tv-wrist { position: absolute; right: 6px; color: #fff; font-size: 11px; text-shadow: 0 0 3px #000, 0 0 3px #000; }
.tv-say { font-size: 17px; margin: 0 0 8px; overflow-wrap: anywhere; }
.tv-say b { font-weight: 600; }
.tv-note, .tv-refused { border-radius: 8px; padding: 8px 12px; margin: 0; font-size: 14px; line-height: 22px;
  background: #fef3c7; color: #713f12; overflow-wrap: anywhere; }
.tv-note { margin-bottom: 10px; }
.tv-busy { display: flex; gap: 8px; align-items: center; padding: 8px 0; margin: 0; font-size: 14px;
  line-height: 22px; opacity: .75; }
.tv-busy::before { content: ""; width: 12px; height: 12px; border-radius: 50%; border: 2px solid #6366f1;
  border-right-color: transparent; animation: tv-turn .8s linear infinite; }
#message:has(.tv-stale) ~ #stage :is(.tv-say, .tv-note, .tv-tag, .tv-clock, .tv-row, .tv-bar, .tv-measures) {
  visibility: hidden; }
@keyframes tv-turn { to { transform: rotate(1turn); } }
.tv-row { display: flex; gap: 6px; flex-wrap: wrap; align-items: center; margin-top: 8px; font-size: 13px; }
.tv-phase { border-radius: 999px; padding: 1px 10px; background: #94a3b833; opacity: .7; }
.tv-phase.now { color: #fff; opacity: 1; }
.tv-end { border-radius: 6px; padding: 2px 10px; font-weight: 600; background: #94a3b833; }
.tv-end.good { background: #10b981; color: #fff; }
.tv-end.bad { background: #ef4444; color: #fff; }
.tv-bar { display: block; width: 100%; height: 14px; margin-top: 8px; border-radius: 4px; }
.tv-measures { display: grid; grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); gap: 4px 12px;
  margin-top: 8px; font-size: 13px; }
.tv-measures div { display: flex; flex-direction: column; }
.tv-measures span { opacity: .65; }
.tv-measures b { font-weight: 600; font-variant-numeric: tabular-nums; }
.tv-messages svg { height: 16px; flex: 1; min-width: 120px; border-radius: 3px; }
"""


def frame_html(frame: Frame) -> str:
    """HTML of a frame."""
    note = f'<p class="tv-note">{escape(frame.note)}</p>' if frame.note else ""
    views = "".join(_view(view, frame.phases) for view in frame.views)
    return f'<p class="tv-say">“<b>{escape(frame.instruction)}</b>”</p>{note}<div class="tv-stage">{views}</div>'


def refused_html(reason: str) -> str:
    """HTML of a refusal."""
    return f'<p class="tv-refused" role="alert">{escape(reason)}</p>'


def busy_html(words: str, stale: bool = False) -> str:
    """HTML of a busy sign.

    Args:
        words: Description of the work.
        stale: Whether the image is outdated; the page then hides its labels.
    """
    return f'<p class="tv-busy{" tv-stale" if stale else ""}" role="status">{escape(words)}</p>'


def _view(view: View, phases: Sequence[str]) -> str:
    image = base64.b64encode(view.image).decode()
    wrists = "".join(
        f'<span class="tv-wrist" style="top:calc({100 * k / len(view.cameras):.1f}% + 3px)">{escape(name)}</span>'
        for k, name in enumerate(view.cameras)
    )
    return f"""<section class="tv-view"><div class="tv-pic" style="aspect-ratio:{view.aspect:.4f}">
<img alt="overview and wrist cameras" src="data:image/jpeg;base64,{image}">
<span class="tv-tag">{escape(view.policy)}</span><span class="tv-clock">{view.time_s:.2f} s</span>{wrists}</div>
{_phases(view, phases)}{_timeline(view)}{_measures(view)}{_messages(view)}</section>"""


def _phases(view: View, phases: Sequence[str]) -> str:
    pills = "".join(
        f'<span class="tv-phase now" style="background:{_color(i)}">{escape(name)}</span>'
        if i == view.phase
        else f'<span class="tv-phase">{escape(name)}</span>'
        for i, name in enumerate(phases)
    )
    kind = "over" if not view.judged else "good" if view.success else "bad"
    words = (END_WORDS if view.judged else NOT_JUDGED_WORDS).get(view.end_reason, view.end_reason)
    end = f'<span class="tv-end {kind}">{escape(words)}</span>' if words else ""
    goal = f"goal: {view.goal}" if view.judged else "not judged"
    return f'<div class="tv-row">{pills}<span class="tv-end">{escape(goal)}</span>{end}</div>'


def _timeline(view: View) -> str:
    """Bar with the phase of every step, and marks for the visitor's interventions."""
    total, x, bars = max(len(view.phases_seen), 1), 0, []
    for phase, run in groupby(view.phases_seen):
        width = len(list(run))
        bars.append(f'<rect x="{x}" width="{width}" height="10" fill="{_color(phase)}"/>')
        x += width
    at = (total - 1) / view.time_s if view.time_s else 0.0  # steps per second
    marks = "".join(
        f'<rect x="{seconds * at:.2f}" width="{total / 150:.2f}" height="10" fill="#000"><title>{escape(event)}'
        f" at {seconds:.1f} s</title></rect>"
        for seconds, event in view.events
    )
    words = "; ".join(f"{seconds:.1f} s {escape(event)}" for seconds, event in view.events[-3:])
    row = f'<div class="tv-row">{words}</div>' if words else ""
    return f'<svg class="tv-bar" viewBox="0 0 {total} 10" preserveAspectRatio="none">{"".join(bars)}{marks}</svg>{row}'


def _measures(view: View) -> str:
    cells = "".join(
        f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in view.measures.items()
    )
    return f'<div class="tv-measures">{cells}</div>' if cells else ""


def _messages(view: View) -> str:
    """Last message of each arm, one colored cell per number: blue for negative, red for positive values."""
    if view.messages is None:
        return ""
    rows = []
    for arm, numbers in enumerate(np.nan_to_num(np.atleast_2d(view.messages))):
        largest = max(float(np.abs(numbers).max(initial=0.0)), 1e-6)
        cells = "".join(
            f'<rect x="{i}" width="1" height="1" fill="{"#dc2626" if value > 0 else "#2563eb"}"'
            f' fill-opacity="{min(abs(float(value)) / max(largest, 1.0), 1.0):.2f}"/>'
            for i, value in enumerate(numbers)
        )
        rows.append(
            f'<div class="tv-row tv-messages"><span>arm_{arm} says</span>'
            f'<svg viewBox="0 0 {len(numbers)} 1" preserveAspectRatio="none">{cells}</svg></div>'
        )
    return "".join(rows)


def _color(phase: int) -> str:
    return PHASE_COLORS[phase % len(PHASE_COLORS)]
