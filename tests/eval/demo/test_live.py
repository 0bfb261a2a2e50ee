import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from teamvla_envs.demos.reader import open_demos
from teamvla_envs.demos.replay import replay
from teamvla_envs.errors import UserError
from teamvla_eval.demo import live as live_module
from teamvla_eval.demo.live import LiveEpisode
from teamvla_eval.demo.recording import write_video

MakeLive = Callable[..., LiveEpisode]


@pytest.fixture
def make_live() -> Iterator[MakeLive]:
    """Makes live episodes of Lift and closes them after the test."""
    made: list[LiveEpisode] = []

    def make(spec: str = "expert", task: str = "lift", num_arms: int = 2) -> LiveEpisode:
        made.append(LiveEpisode(spec, task, num_arms))
        return made[-1]

    yield make
    for live in made:
        live.close()


class Listener:
    """A policy that reads the instruction, sends messages, and holds still."""

    env_kwargs = {"obs_mode": "vision", "image_size": 16, "cameras": ("front",)}  # noqa: RUF012
    messages = np.array([[[1.0, -1.0], [0.5, 0.0]]])

    def __init__(self) -> None:
        self.instructions: list[str] = []

    def bind(self, env: Any) -> None:
        self._size = env.num_arms * env.action_size

    def reset(self, mask: np.ndarray) -> None:
        pass

    def act(self, obs: Any) -> np.ndarray:
        self.instructions += obs["instruction"]
        return np.zeros((1, self._size), np.float32)


def _play(live: LiveEpisode, steps: int = 10_000, **kwargs: Any) -> None:
    for _ in range(steps):
        live.step(**kwargs)
        if live.ended:
            return


def test_the_expert_does_what_the_chosen_goal_asks(make_live: MakeLive):
    live = make_live()
    for goal in ("stand_back", "hold"):
        live.begin(0, goal, "")
        assert not live.reads_instruction
        _play(live)
        view = live.view(64)
        assert (view.goal, view.success, view.end_reason) == (goal, True, "success")
        assert view.measures["dropped"] == "0"
        assert len(view.phases_seen) == round(view.time_s * 25) + 1


def test_a_image_shows_the_overview_and_the_wrist_cameras(make_live: MakeLive):
    live = make_live(num_arms=3)
    live.begin(0, None, "")
    view = live.view(96)
    image = Image.open(io.BytesIO(view.image))
    assert image.size == (96 + 32, 96)
    assert view.aspect == pytest.approx(128 / 96)
    assert np.asarray(image).std() > 10


def test_a_learned_policy_reads_what_was_typed_and_its_messages_are_shown(
    make_live: MakeLive, monkeypatch: pytest.MonkeyPatch
):
    policy = Listener()
    monkeypatch.setattr(live_module, "make_policy", lambda spec: policy)
    live = make_live("listener")
    live.begin(0, None, "please do something nice")
    live.step()
    live.begin(0, "hold", "")
    live.step()
    assert live.reads_instruction
    assert policy.instructions == ["please do something nice", live.env.instructions[0]]
    assert live.view(64).messages is not None


def test_a_frozen_arm_keeps_still(make_live: MakeLive):
    live = make_live()
    live.begin(0, None, "")
    target = live.env.world.joint_target.copy()
    _play(live, 20, frozen=(1,))
    moved = np.abs(live.env.world.joint_target - target)[0].max(-1)
    assert moved[0] > 0.1
    assert moved[1] == 0.0


@pytest.mark.parametrize("action_mode", ["joint_pos", "ee_delta"])
def test_a_frozen_arm_keeps_still_in_every_action_mode(
    make_live: MakeLive, monkeypatch: pytest.MonkeyPatch, action_mode: str
):
    class Other(Listener):
        env_kwargs = Listener.env_kwargs | {"action_mode": action_mode}

    monkeypatch.setattr(live_module, "make_policy", lambda spec: Other())
    live = make_live("other")
    live.begin(0, None, "")
    pos = live.env.world.tool_pos.copy()
    _play(live, 20, frozen=(0, 1))
    assert np.abs(live.env.world.tool_pos - pos).max() < 0.01


def test_the_episode_as_a_file_replays_bit_for_bit_although_it_was_pushed(make_live: MakeLive, tmp_path: Path):
    live = make_live()
    live.begin(0, "stand_front", "put the bar on the front stand")
    _play(live, 12)
    live.push("bar", (0.3, 0.0, 0.0))
    live.push("bar", (0.1, 0.0, 0.0))
    _play(live, 5, frozen=(0,))
    _play(live)
    file = tmp_path / "episode.hdf5"
    assert live.write(file)
    assert [path.name for path in tmp_path.iterdir()] == ["episode.hdf5"]
    assert replay(file, verify=True) == 0
    with open_demos(file) as demos:
        assert demos.names == ["demo_0", "demo_1"]
        assert demos.demo("demo_0").num_samples == 12
        assert [demo.success for demo in demos] == [False, True]
        assert {demo.instruction for demo in demos} == {"put the bar on the front stand"}
        assert demos.collection["pushes"] == 1
    assert [event for _, event in live.view(64).events] == ["bar pushed", "bar pushed"]


def test_an_episode_without_a_step_has_no_file(make_live: MakeLive, tmp_path: Path):
    live = make_live()
    live.begin(0, None, "")
    assert not live.write(tmp_path / "episode.hdf5")


def test_the_video_has_every_moment(tmp_path: Path):
    import imageio_ffmpeg

    buffer = io.BytesIO()
    Image.fromarray(np.full((48, 64, 3), 99, np.uint8)).save(buffer, "JPEG")
    write_video(tmp_path / "a.mp4", [[buffer.getvalue()] * 2] * 25, fps=12.5)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    probed = subprocess.run([ffmpeg, "-i", str(tmp_path / "a.mp4")], capture_output=True, text=True).stderr
    assert "128x48" in probed
    assert "00:00:02.00" in probed


@pytest.mark.parametrize(
    ("env_kwargs", "words"),
    [({"num_arms": 3}, "acts for 3 arms, not for 2"), ({"task": "drawer"}, "was trained on drawer, not on lift")],
)
def test_a_policy_that_does_not_fit_is_refused(env_kwargs: dict, words: str, monkeypatch: pytest.MonkeyPatch):
    policy = Listener()
    policy.env_kwargs = env_kwargs
    monkeypatch.setattr(live_module, "make_policy", lambda spec: policy)
    with pytest.raises(UserError, match=words):
        LiveEpisode("listener", "lift", 2)
