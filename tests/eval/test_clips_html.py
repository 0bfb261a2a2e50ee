"""Videos inside the report."""

import base64
import re

import imageio.v3 as iio
import numpy as np
from teamvla_eval.clips_html import clip_section
from teamvla_eval.videos import Clip, encode_mp4

from tests.eval.episodes import make_suite


def test_a_video_has_a_poster_that_is_shown_until_it_is_played():
    frames = np.full((6, 64, 96, 3), 120, dtype=np.uint8)
    record = make_suite("learned", 1, 0).records[0]
    page = clip_section([Clip("learned", record, encode_mp4(frames, fps=25.0))])
    (data,) = re.findall(r'<video [^>]*poster="data:image/jpeg;base64,([^"]+)"', page)
    assert iio.imread(base64.b64decode(data)).shape == (64, 96, 3)


def test_a_damaged_video_is_shown_without_a_poster():
    page = clip_section([Clip("learned", make_suite("learned", 1, 0).records[0], b"not really a video")])
    assert "<video" in page
    assert "poster" not in page
