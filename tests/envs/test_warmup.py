"""``teamvla warmup`` compiles ahead of time and says what it did."""

from pathlib import Path

import mujoco
import pytest
from teamvla_envs.errors import UserError
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim import compile as compiling
from teamvla_envs.sim.compile import cache_folder, is_compiled
from teamvla_envs.warmup import warmup


@pytest.fixture
def empty_cache(tmp_path: Path, newton_model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a compiler that takes no time."""
    monkeypatch.setenv("TEAMVLA_CACHE", str(tmp_path))
    monkeypatch.setattr(compiling, "_compile", lambda scene: newton_model)
    return tmp_path


@pytest.mark.usefixtures("empty_cache")
def test_the_second_time_all_is_there(lift_scene: Scene, capsys: pytest.CaptureFixture[str]):
    assert warmup(("lift",), images=False) == 0
    assert "lift with panda + panda: compiled in" in capsys.readouterr().out
    assert is_compiled(lift_scene)
    assert warmup(("lift",), images=False) == 0
    assert capsys.readouterr().out == "lift with panda + panda: there\nall is there\n"


@pytest.mark.usefixtures("empty_cache")
def test_without_names_all_tasks_are_compiled():
    assert warmup(images=False) == 0
    assert len(list(cache_folder().iterdir())) == 3


@pytest.mark.usefixtures("empty_cache")
def test_a_mixed_team_is_named_arm_by_arm(capsys: pytest.CaptureFixture[str]):
    assert warmup(("handoff",), num_arms=3, robot=("panda", "xarm7", "panda"), images=False) == 0
    assert "handoff with panda + xarm7 + panda: compiled in" in capsys.readouterr().out


def test_what_cannot_be_kept_is_a_failure(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (empty_cache / "file").write_text("in the way")
    monkeypatch.setenv("TEAMVLA_CACHE", str(empty_cache / "file"))
    assert warmup(("lift",), images=False) == 1
    assert "could not be kept" in capsys.readouterr().out


def test_as_many_robots_as_arms():
    with pytest.raises(UserError, match="robot: got 3 names for 2 arms"):
        warmup(("lift",), robot=("panda",) * 3)


@pytest.mark.slow
def test_images_are_compiled_once(capsys: pytest.CaptureFixture[str]):
    assert warmup(("lift",)) == 0
    assert "images: " in capsys.readouterr().out
    assert warmup(("lift",)) == 0
    assert capsys.readouterr().out == "lift with panda + panda: there\nimages: there\nall is there\n"
