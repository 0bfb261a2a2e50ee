"""A scene is compiled once; its model is cached on disk, checked, and rebuilt if it is damaged."""

import errno
import logging
import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mujoco
import numpy as np
import pytest
from teamvla_envs.scene.compose import Scene
from teamvla_envs.sim import compile as compiling
from teamvla_envs.sim.compile import cache_folder, cache_key, compile_scene, is_compiled


def model_bytes(model: mujoco.MjModel) -> bytes:
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


@pytest.fixture
def no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if anything is compiled."""
    monkeypatch.setattr(compiling, "_compile", lambda scene: pytest.fail("the scene was compiled again"))


@pytest.mark.usefixtures("no_compilation")
def test_a_compiled_model_is_read_back_from_the_cache_unchanged(lift_scene: Scene, compiled: mujoco.MjModel):
    assert model_bytes(compile_scene(lift_scene)) == model_bytes(compiled)


@pytest.fixture
def another_cache(
    tmp_path: Path, compiled: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], list[Scene]]:
    """Makes a folder the cache and records what is compiled, in no time, from then on."""
    scenes: list[Scene] = []

    def compile_at_once(scene: Scene) -> mujoco.MjModel:
        scenes.append(scene)
        return compiled

    def use(folder: Path) -> list[Scene]:
        monkeypatch.setenv("TEAMVLA_CACHE", str(folder))
        monkeypatch.setattr(compiling, "_compile", compile_at_once)
        return scenes

    return use


@pytest.mark.parametrize("damage", ["flip", "flip checksum", "truncate", "empty", "another scene's", "not ours"])
def test_a_damaged_or_foreign_cache_entry_is_rebuilt(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    caplog: pytest.LogCaptureFixture,
    damage: str,
):
    made = another_cache(tmp_path)
    other = replace(lift_scene, contact_pairs=lift_scene.contact_pairs[1:])
    for scene in (lift_scene, other):
        compile_scene(scene)
    entry, foreign = (cache_folder() / f"{cache_key(scene)}.mjb" for scene in (lift_scene, other))
    whole = entry.read_bytes()
    entry.write_bytes(
        {
            "flip": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
            "flip checksum": bytes([whole[0] ^ 1]) + whole[1:],
            "truncate": whole[:-100],
            "empty": b"",
            "another scene's": foreign.read_bytes(),
            "not ours": model_bytes(compiled),
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        assert not is_compiled(lift_scene)
        rebuilt = compile_scene(lift_scene)
    assert made == [lift_scene, other, lift_scene]
    assert model_bytes(rebuilt) == model_bytes(compiled)
    assert entry.read_bytes() == whole
    assert "damaged" in caplog.text


def test_what_no_reader_understands_is_rebuilt_even_with_a_right_checksum(
    lift_scene: Scene, tmp_path: Path, another_cache: Callable[[Path], list[Scene]]
):
    made = another_cache(tmp_path)
    key = cache_key(lift_scene)
    cache_folder().mkdir()
    nonsense = b"nonsense" * 100
    (cache_folder() / f"{key}.mjb").write_bytes(compiling._checksum(key, nonsense) + nonsense)
    compile_scene(lift_scene)
    assert made == [lift_scene]
    assert is_compiled(lift_scene)


def test_a_cache_that_cannot_be_written_is_a_warning_and_not_an_error(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    caplog: pytest.LogCaptureFixture,
):
    (tmp_path / "file").write_text("in the way")
    another_cache(tmp_path / "file")
    assert compile_scene(lift_scene) is compiled
    assert "cannot keep" in caplog.text


def test_a_full_disk_is_a_warning_and_leaves_nothing_behind(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    another_cache(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert compile_scene(lift_scene) is compiled
    assert "No space left" in caplog.text
    assert list(cache_folder().iterdir()) == []


def test_those_who_read_and_write_an_entry_at_once_see_it_whole_or_not_at_all(
    lift_scene: Scene,
    compiled: mujoco.MjModel,
    tmp_path: Path,
    another_cache: Callable[[Path], list[Scene]],
    caplog: pytest.LogCaptureFixture,
):
    another_cache(tmp_path)
    key = cache_key(lift_scene)
    path = cache_folder() / f"{key}.mjb"

    def use(writes: bool) -> None:
        for _ in range(20):
            if writes:
                compiling._store(compiled, path, key)
            elif (model := compiling._load(path, key)) is not None:
                assert model_bytes(model) == model_bytes(compiled)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, [True, False, True, False]))
    assert not caplog.records
    assert [entry.name for entry in cache_folder().iterdir()] == [path.name]


@pytest.mark.parametrize("package", ["newton", "mujoco", "mujoco-warp", "warp-lang"])
def test_another_version_has_another_key(lift_scene: Scene, monkeypatch: pytest.MonkeyPatch, package: str):
    key = cache_key(lift_scene)
    monkeypatch.setattr(compiling, "version", lambda name: "0.0" if name == package else version(name))
    assert cache_key(lift_scene) != key


def test_other_code_and_another_processor_have_other_keys(
    lift_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keys = {cache_key(lift_scene)}
    edited = tmp_path / "compile.py"
    edited.write_text(Path(compiling.__file__).read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "__file__", str(edited))
        keys.add(cache_key(lift_scene))
    monkeypatch.setattr(platform, "machine", lambda: "another")
    assert len(keys | {cache_key(lift_scene)}) == 3


def test_another_scene_has_another_key(lift_scene: Scene):
    other = replace(lift_scene, contact_pairs=lift_scene.contact_pairs[1:])
    assert cache_key(other) != cache_key(lift_scene)


@pytest.mark.usefixtures("compiled")
def test_a_warm_start_imports_neither_newton_nor_warp(
    lift_scene: Scene, fresh_cache: Path, run_python: Callable[..., str]
):
    program = (
        "import sys, numpy as np\n"
        "from teamvla_envs.env.vector import TeamVectorEnv\n"
        f"env = TeamVectorEnv('lift', 2, robot={[robot.name for robot in lift_scene.robots]})\n"
        "env.reset(seed=0); env.step(env.expert_actions())\n"
        "print([name for name in ('newton', 'warp', 'torch', 'h5py') if name in sys.modules])"
    )
    assert run_python(program, TEAMVLA_CACHE=str(fresh_cache)) == "[]"
