"""The viewer: episodes as clips, as files for other programs, and in a real browser."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import urlsplit

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_allclose
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.reader import make_recorded_env, open_demos
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.ports import free_port
from teamvla_envs.view.clips import Clip, demo_clip, expert_clip
from teamvla_envs.view.command import _checked_seed, view
from teamvla_envs.web_address import WebAddress

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def env() -> Iterator[TeamVectorEnv]:
    env = TeamVectorEnv("lift", autoreset_mode=AutoresetMode.DISABLED, num_threads=1)
    yield env
    env.close()


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demos") / "lift.hdf5"
    settings = CollectionSettings("lift", 2, (), 64, "train", 0, 0.0, 0.0)
    collect(CollectConfig(settings, 2, path, num_envs=2))
    return path


def test_a_clip_of_the_expert_has_a_pose_of_every_body_at_every_time(env: TeamVectorEnv):
    clip = expert_clip(env, seed=3)
    assert clip.success
    assert clip.instruction == env.instructions[0]
    assert len(clip.phases) == len(clip)
    assert clip.positions.shape == (*clip.quaternions.shape[:2], 3)
    assert_allclose(np.linalg.norm(clip.quaternions, axis=-1), 1.0, atol=1e-6)
    moved = np.linalg.norm(clip.positions[-1] - clip.positions[0], axis=-1)
    assert moved.max() > 0.1 > 0.0 == moved.min()  # arms and bar moved, the stands did not


def test_a_clip_of_a_demonstration_shows_its_recorded_states(demo_file: Path):
    with open_demos(demo_file) as file:
        demo = file.demo("demo_1")
        env = make_recorded_env(file, 1, obs_mode="state")
        clip = demo_clip(env, demo)
        env.close()
        assert len(clip) == demo.num_samples + 1
        assert clip.title == "demo_1"
        assert clip.instruction == demo.instruction
        assert clip.goal == demo.goal
        assert clip.phases[0] == env.phases[int(demo.phase[0])]


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        ("juggle", {}, "neither a task"),
        ("lift", {"seed": -1}, "seed is -1"),
        ("lift", {"demo": "demo_0"}, "lift is a task"),
        ("lift", {"usd": Path("a.obj")}, "usd is a.obj"),
        ("lift", {"rerun": Path("a.mp4")}, "rerun is a.mp4"),
        ("lift", {"port": 70000}, "port is 70000"),
        ("lift", {"allowed_hosts": ("a/b",)}, "allowed-hosts has 'a/b'"),
        ("lift", {"num_arms": 9}, "num_arms"),
    ],
)
def test_what_cannot_be_shown_is_told_in_words(what: str, options: dict, words: str):
    with pytest.raises(ValueError, match=words):
        view(what, **options)


def test_a_file_that_is_no_demonstration_is_refused(tmp_path: Path):
    (tmp_path / "a.hdf5").write_text("hello")
    with pytest.raises(ValueError, match="not an HDF5 file"):
        view(str(tmp_path / "a.hdf5"))


def test_a_port_that_is_taken_is_told():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}"):
            free_port("127.0.0.1", port)
    assert free_port("127.0.0.1", 0) > 0


@pytest.mark.slow
def test_a_usd_file_opens_and_its_bodies_move(demo_file: Path, tmp_path: Path):
    usd: Any = pytest.importorskip("pxr.Usd")
    geometry: Any = pytest.importorskip("pxr.UsdGeom")
    out = tmp_path / "lift.usdc"
    view(str(demo_file), usd=out)
    with open_demos(demo_file) as file:
        steps = file.demo("demo_0").num_samples
    stage = usd.Stage.Open(str(out))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, steps)
    assert stage.GetTimeCodesPerSecond() == 25
    shapes = [prim for prim in stage.Traverse() if prim.IsA(geometry.Gprim)]
    assert len(shapes) > 50
    moved = []
    for prim in shapes:
        ends = [geometry.Xformable(prim).ComputeLocalToWorldTransform(time) for time in (0, steps)]
        moved.append((ends[1].ExtractTranslation() - ends[0].ExtractTranslation()).GetLength())
    assert max(moved) > 0.1 > 0.0 == min(moved)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.slow
def test_a_rerun_file_is_a_recording_and_no_server_is_started(tmp_path: Path):
    out = tmp_path / "lift.rrd"
    view("lift", rerun=out)
    assert out.read_bytes()[:4] in (b"RRF2", b"RRF0")
    assert out.stat().st_size > 100_000
    assert free_port("127.0.0.1", 9090) == 9090
    assert free_port("127.0.0.1", 9876) == 9876


def _status(address: str, path: str = "/", **headers: str) -> int:
    """Status of a GET request; a Host header may differ from the address."""
    with closing(HTTPConnection(urlsplit(address).netloc, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status


def test_requests_after_dns_rebinding_and_from_other_sites_are_refused():
    pytest.importorskip("viser")
    from teamvla_envs.view.server import make_viewer

    address = WebAddress("127.0.0.1", free_port("127.0.0.1", 0))
    viewer = make_viewer(address)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    try:
        assert _status(address.url) == 200
        assert _status(address.url, Host=f"localhost:{address.port}") == 200
        assert _status(address.url, **upgrade, Origin=address.url) == 101
        assert _status(address.url, Host=f"evil.example:{address.port}") == 403
        assert _status(address.url, **upgrade, Host=f"evil.example:{address.port}") == 403
        assert _status(address.url, **upgrade, Origin="http://evil.example") == 403
        assert _status(address.url, **upgrade, Origin="null") == 403
    finally:
        viewer.close()


def test_a_choice_that_cannot_be_shown_is_explained_and_the_clip_stays(env: TeamVectorEnv):
    pytest.importorskip("viser")
    from teamvla_envs.view.browser import Browser

    class Viewer(MagicMock):
        ticks = 0

        def is_running(self) -> bool:
            self.ticks += 1
            if self.ticks == 2:
                browser._wanted = 1.5
            return self.ticks < 4

        def should_step(self) -> bool:
            return False

    def load(seed: Any) -> Clip:
        return expert_clip(env, _checked_seed(seed))

    browser = Browser(env, Viewer(), load, None, 0)
    browser.run()
    assert "seed is 1.5, expected a whole number from 0 to" in browser._words.content
    assert "expert, seed 0" in browser._words.content


@pytest.fixture
def served(demo_file: Path) -> Iterator[str]:
    """The address of a viewer of the demonstrations."""
    command = [sys.executable, "-c", "from teamvla_envs.cli import main; main()", "view", str(demo_file), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = next(found[0] for line in process.stdout if (found := re.findall(r"viewer on (\S+)", line)))
    yield address
    process.terminate()
    process.wait(20)


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists() and not shutil.which("chromium"), reason="there is no chromium")
def test_the_slider_moves_the_bodies_in_a_browser(served: str):
    import io

    from PIL import Image
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served)
        page.get_by_text("phase").wait_for(timeout=120_000)
        page.get_by_label("Pause").check()

        def at(step: int) -> np.ndarray:
            box = page.locator("input[type=text], input[type=number]").first
            for _ in range(20):  # the pause may not have arrived yet: then the clip plays on
                box.fill(str(step))
                box.press("Enter")
                time.sleep(2)
                if page.get_by_text(f"{step * 0.04:.2f} s").count():
                    break
            else:
                pytest.fail(f"step {step} is not shown")
            time.sleep(3)  # the software renderer is slow
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            return np.asarray(shot)[:, :650].astype(int)

        start, later, again = at(0), at(60), at(0)
        page.get_by_label("demonstration").click()
        page.get_by_role("option", name="demo_1").click()
        page.get_by_text("demo_1 ·").wait_for(timeout=60_000)
        browser.close()
    assert all(url.startswith((served, "data:", "blob:")) for url in asked)
    red = (start[..., 0] > start[..., 1] + 60) & (start[..., 0] > start[..., 2] + 60)
    blue = (start[..., 2] > start[..., 0] + 60) & (start[..., 2] > start[..., 1] + 40)
    assert min(red.mean(), blue.mean()) > 0.005  # both arms are in the picture
    changed = (np.abs(start - later).max(-1) > 30).mean()
    assert changed > 0.02
    assert (np.abs(start - again).max(-1) > 30).mean() < 0.2 * changed
