"""Videos as a section of the report: each file stands inside the page as base64."""

import base64
from collections.abc import Sequence
from html import escape

from teamvla_eval.display import seconds
from teamvla_eval.videos import Clip, poster


def clip_section(clips: Sequence[Clip]) -> str:
    """A heading and one card per video; nothing without videos."""
    if not clips:
        return ""
    cards = "\n".join(_card(clip) for clip in clips)
    return (
        "<h2>What it looks like</h2><p>The sentence below each video is all that tells the goal. "
        f'Videos run at the speed of the simulated arms.</p><div class="clips">{cards}</div>'
    )


def _card(clip: Clip) -> str:
    episode = clip.episode
    if episode.success:
        badge, outcome = "success", f"solved in {seconds(episode.time_to_success_s)}"
    else:
        badge, outcome = "failure", f"ended in phase “{escape(episode.final_phase)}”"
    data = base64.b64encode(clip.mp4).decode("ascii")
    image = poster(clip.mp4)
    still = f'poster="data:image/jpeg;base64,{base64.b64encode(image).decode("ascii")}" ' if image else ""
    return (
        f'<figure class="card clip"><video controls loop muted playsinline preload="metadata" {still}'
        f'src="data:video/mp4;base64,{data}"></video><figcaption>'
        f'<span class="badge {badge}">{escape(clip.policy)} · {badge}</span>'
        f'<p class="said">“{escape(episode.instruction)}”</p>'
        f'<p class="small">seed {episode.seed} · {outcome}</p></figcaption></figure>'
    )
