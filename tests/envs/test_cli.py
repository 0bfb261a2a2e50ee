import errno
import importlib.util
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest
from teamvla_envs import cli
from teamvla_envs.errors import UserError

PROGRAM = f"{sys.executable} -c 'import teamvla_start; teamvla_start.main()'"


@dataclass(frozen=True)
class Voice:
    """How to sing.

    Attributes:
        pitch: Frequency [Hz].
        kind: Which voice.
    """

    pitch: int = 440
    kind: Literal["bass", "alto"] = "alto"

    def __post_init__(self) -> None:
        if self.pitch < 20:
            raise UserError(f"pitch is {self.pitch}, expected 20 or more")


def sing(song: str, times: int = 1, voice: Voice = Voice()) -> int:
    """Sing a song.

    Args:
        song: What to sing.
        times: How often.
        voice: How.
    """
    if song == "interrupt":
        raise KeyboardInterrupt("two verses are kept")
    if song == "file":
        Path("no/such/file").read_text()
    if song == "bug":
        raise KeyError("missing")
    if song == "misunderstood":
        raise ValueError("not what the user gave")
    if song == "imported":
        raise ModuleNotFoundError("No module named 'warp'", name="warp")
    if song == "disk":
        raise OSError(errno.ENOSPC, "No space left on device", "demos/lift.hdf5")
    if times < 1:
        raise UserError(f"times is {times},\nexpected 1 or more")
    print(song * times)
    return 1 if song == "wrong" else 0


@pytest.fixture(autouse=True)
def _commands(monkeypatch: pytest.MonkeyPatch):
    find_spec = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "warp", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "warp" else find_spec(name))
    monkeypatch.setitem(sys.modules, "singing", sys.modules[__name__])
    found = {"sing": EntryPoint("sing", "singing:sing", cli.COMMAND_GROUP)}
    monkeypatch.setattr(cli, "find_commands", lambda: found)


def test_a_command_is_a_function_and_its_int_is_the_exit_code(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["sing", "--song", "la", "--times", "3"]) == 0
    assert capsys.readouterr().out == "lalala\n"
    assert cli.main(["sing", "--song", "wrong"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sing", "--song", "la", "--times", "0"], 2, "error: times is 0, expected 1 or more"),
        (["sing", "--song", "file"], 2, "error: no such file or directory: no/such/file"),
        (["sing", "--song", "interrupt"], 130, "interrupted: two verses are kept"),
        (
            ["sing", "--song", "bug"],
            1,
            "internal error: KeyError: 'missing' (run again with --debug for the traceback)",
        ),
        (
            ["sing", "--song", "misunderstood"],
            1,
            "internal error: ValueError: not what the user gave (run again with --debug for the traceback)",
        ),
        (["sing", "--song", "imported"], 2, "error: warp-lang is not installed: pip install 'warp-lang'"),
        (["sing", "--song", "disk"], 2, "error: no space left on device: demos/lift.hdf5"),
        (["snig"], 2, "error: no command 'snig' (did you mean sing?); the commands are sing"),
        (["sing", "--song", "la", "--voice.pitch", "-5"], 2, "error: pitch is -5, expected 20 or more"),
        (["sing", "--song", "la", "--times", "often"], 2, "error: --times is 'often', expected INT"),
        (["sing", "--song", "la", "--times"], 2, "error: --times has too few values, expected INT"),
        (["sing", "--song", "la", "--voice.kind", "tuba"], 2, "error: --voice.kind is 'tuba', allowed are bass, alto"),
        (["sing"], 2, "error: missing --song; see teamvla sing --help"),
        (
            ["sing", "--song", "la", "--tmies", "3"],
            2,
            "error: no option --tmies (did you mean --times?); see teamvla sing --help",
        ),
        (
            ["sing", "--song", "la", "--ptich=30"],
            2,
            "error: no option --ptich (did you mean --voice.pitch?); see teamvla sing --help",
        ),
        (["sing", "--sogn", "la"], 2, "error: no option --sogn (did you mean --song?); see teamvla sing --help"),
        (["sing", "--song", "la", "--zzz"], 2, "error: no option --zzz; see teamvla sing --help"),
        (["sing", "--song", "la", "loud"], 2, "error: unexpected argument 'loud'; see teamvla sing --help"),
    ],
)
def test_an_error_is_one_line(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(arguments) == code
    assert capsys.readouterr().err == message + "\n"


def test_debug_anywhere_lets_the_traceback_through():
    with pytest.raises(UserError):
        cli.main(["sing", "--debug", "--song", "la", "--times", "0"])


def test_without_tyro_telling_what_is_wrong_its_own_words_remain(monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "tyro._errors", None)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["sing", "--song", "la", "--loud"])
    assert "--loud" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["--help", "collect --help", "policies list"])
def test_a_closed_pipe_ends_a_command_quietly(arguments: str):
    command = f"{PROGRAM} {arguments} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_full_disk_behind_the_output_is_one_line():
    done = subprocess.run(["bash", "-c", f"{PROGRAM} --help > /dev/full"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: no space left on device: the output\n")


def test_an_output_without_unicode_gets_escapes(tmp_path: Path):
    (tmp_path / "runs" / "é").mkdir(parents=True)
    config = '{"schema_version": 2, "policy": "StatePolicy", "tasks": ["lift"], "training": {}, "data": {}}'
    (tmp_path / "runs" / "é" / "config.json").write_text(config)
    done = subprocess.run(
        ["bash", "-c", f"{PROGRAM} policies list"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"runs/\xe9" in done.stdout


def test_a_deleted_working_directory_is_one_line(tmp_path: Path):
    command = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; {PROGRAM} policies list"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: the working directory was deleted; change to one that exists\n"


def test_a_command_has_a_help_page(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["sing", "--help"])
    assert "--voice.pitch INT" in capsys.readouterr().out


def test_help_lists_every_command_with_its_first_line(capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.undo()
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^  collect +Record demonstrations of a task's expert into an HDF5 file\.$", told, re.MULTILINE)
    assert "  replay " in told
    assert "  render " in told
    assert cli.main([]) == 2


def test_version_tells_every_distribution(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["--version"]) == 0
    assert "teamvla-envs 0." in capsys.readouterr().out


def test_help_imports_neither_commands_nor_physics():
    code = (
        "import sys\nfrom teamvla_envs.cli import main\nmain(['--help'])\n"
        "heavy = {'tyro', 'newton', 'warp', 'mujoco', 'torch', 'h5py', 'teamvla_envs.demos'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.endswith("[]\n")


def test_other_packages_are_heard_only_when_they_warn(capsys: pytest.CaptureFixture[str]):
    handler, chatty = cli._CurrentStderr(), logging.getLogger("some_library")
    for name, level in (
        ("some_library", logging.INFO),
        ("some_library", logging.WARNING),
        ("teamvla_envs", logging.INFO),
    ):
        handler.handle(chatty.makeRecord(name, level, "", 0, f"{name} at {level}", (), None))
    assert capsys.readouterr().err.split("\n") == ["some_library at 30", "teamvla_envs at 20", ""]
