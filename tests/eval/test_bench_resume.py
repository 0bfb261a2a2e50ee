"""Interrupted benchmarks and outputs that fail: measured episodes are kept."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from teamvla_envs.cli import main
from teamvla_eval.results.journal import JOURNAL, Journal

from tests.envs.full_disk import largest_file

WORDS = "bench --policy expert zero --tasks lift drawer --episodes 3 --num-envs 2 --deterministic --no-history --out"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Records of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    assert main([*WORDS.split(), str(out)]) == 0
    return records(out)


@pytest.fixture
def added(monkeypatch):
    """Seeds of the episodes that were measured, in order."""
    add, seeds = Journal.add, []

    def note(self, policy, record, wall_s):
        add(self, policy, record, wall_s)
        seeds.append(record.seed)

    monkeypatch.setattr(Journal, "add", note)
    return seeds


def records(out):
    return json.loads((out / "results.json").read_text())["episodes"]


def interrupt_after(count, monkeypatch, act):
    """Do something once ``count`` episodes are measured."""
    add, seen = Journal.add, []

    def interrupted(self, policy, record, wall_s):
        add(self, policy, record, wall_s)
        seen.append(record)
        if len(seen) == count:
            act()

    monkeypatch.setattr(Journal, "add", interrupted)


def press_ctrl_c():
    raise KeyboardInterrupt


# The program, with Ctrl-C pressed once during the import of the module that is its first argument.
INTERRUPTED_IMPORT = """
import os, signal, sys
from teamvla_envs.cli import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.exit(main(sys.argv[2:]))
"""


def test_after_ctrl_c_the_same_command_measures_the_other_episodes_only(tmp_path, whole, monkeypatch, capsys, added):
    with monkeypatch.context() as patch:
        interrupt_after(5, patch, press_ctrl_c)
        assert main([*WORDS.split(), str(tmp_path)]) == 130
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"5 measured episodes are kept in {tmp_path / JOURNAL}; the same command resumes" in message
    assert not (tmp_path / "results.json").exists()
    del added[:]
    assert main([*WORDS.split(), str(tmp_path)]) == 0
    assert len(added) == 12 - 5
    assert records(tmp_path) == whole
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize(
    ("module", "videos"),
    [("teamvla_eval.report.bench_report", 0), ("matplotlib.figure", 0), ("teamvla_eval.report.videos", 1)],
)
def test_ctrl_c_while_the_report_is_made_says_that_the_episodes_are_kept(module, videos, tmp_path, added):
    words = f"bench --policy zero --tasks lift --episodes 2 --no-history --out {tmp_path} --videos {videos}".split()
    command = [sys.executable, "-c", INTERRUPTED_IMPORT, module, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    message = f"interrupted: 2 measured episodes are kept in {tmp_path / JOURNAL}; the same command resumes from there"
    assert done.stderr.strip().splitlines()[-1] == message
    assert (tmp_path / JOURNAL).exists()
    assert main(words[:-2]) == 0
    assert added == []
    assert (tmp_path / "report.html").exists()


def test_sigterm_is_an_interrupt_too(tmp_path, whole, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        interrupt_after(2, patch, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert main([*WORDS.split(), str(tmp_path)]) == 130
    assert "interrupted: 2 measured episodes are kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    assert main([*WORDS.split(), str(tmp_path)]) == 0
    assert records(tmp_path) == whole


def test_a_run_that_was_killed_before_it_deleted_its_journal_measures_nothing_again(
    tmp_path, whole, monkeypatch, added
):
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", Journal.close)
        assert main([*WORDS.split(), str(tmp_path)]) == 0
    assert (tmp_path / JOURNAL).exists()
    del added[:]
    assert main([*WORDS.split(), str(tmp_path)]) == 0
    assert added == []
    assert records(tmp_path) == whole


def test_other_settings_are_refused_unless_the_episodes_may_be_discarded(tmp_path, monkeypatch, capsys):
    words = f"bench --policy zero --tasks lift --episodes 2 --no-history --out {tmp_path}".split()
    with monkeypatch.context() as patch:
        interrupt_after(1, patch, press_ctrl_c)
        assert main(words) == 130
    assert main([*words, "--offset", "4"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "offset was 0, now 4" in line
    assert main([*words, "--offset", "4", "--overwrite"]) == 0
    assert [record["seed"] for record in records(tmp_path)] == [2_000_004, 2_000_005]


def test_without_a_folder_an_interrupt_says_how_to_keep_episodes(monkeypatch, capsys):
    monkeypatch.setattr("teamvla_eval.commands.bench.run_benchmark", lambda *_: press_ctrl_c())
    assert main(["bench", "--policy", "zero", "--tasks", "lift", "--episodes", "2", "--no-history"]) == 130
    assert "with --out they are kept" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["folder", "under a file", "full"])
def test_a_history_that_cannot_be_written_is_a_warning(kind, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    history = {"folder": tmp_path, "under a file": tmp_path / "file" / "h", "full": "/dev/full"}[kind]
    words = f"bench --policy zero --tasks lift --episodes 1 --out {tmp_path / 'out'} --history {history}"
    assert main(words.split()) == 0
    assert "this run is not in the history" in caplog.text
    assert len(records(tmp_path / "out")) == 1


def test_without_a_home_that_can_be_written_the_results_are_kept(tmp_path, monkeypatch, caplog):
    (tmp_path / "home").write_text("")
    for name in ("TEAMVLA_HISTORY", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(f"bench --policy zero --tasks lift --episodes 1 --out {tmp_path / 'out'}".split()) == 0
    assert "this run is not in the history" in caplog.text
    assert len(records(tmp_path / "out")) == 1


def test_a_disk_that_is_full_amid_a_run_is_one_line_and_the_same_command_resumes(tmp_path, capsys, added):
    words = f"bench --policy zero --tasks lift --episodes 3 --num-envs 1 --no-history --out {tmp_path}".split()
    with largest_file(1800):  # the header and a record or two
        assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line == f"error: no space left (file too large): {tmp_path / JOURNAL}"
    kept = len(added)
    assert 0 < kept < 3
    assert main(words) == 0
    assert len(added) == 3
    assert [record["seed"] for record in records(tmp_path)] == [2_000_000, 2_000_001, 2_000_002]


def test_a_full_console_is_a_warning_and_the_exit_code_is_that_of_the_measurement(tmp_path, caplog, monkeypatch):
    words = f"bench --policy zero --tasks lift --episodes 1 --no-history --fail-under 0.5 --out {tmp_path}"
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(words.split()) == 1
    assert "standard output is incomplete" in caplog.text
    assert len(records(tmp_path)) == 1


def test_an_ascii_console_shows_the_table(tmp_path, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", console)
    assert main(f"bench --policy zero --tasks lift --episodes 1 --no-history --out {tmp_path}".split()) == 0
    console.flush()
    assert b"zero" in console.buffer.getvalue()


def test_results_are_written_before_anything_is_printed(tmp_path, monkeypatch):
    def broken(results):
        raise RuntimeError("a fault of the console")

    monkeypatch.setattr("teamvla_eval.commands.bench.print_results", broken)
    assert main(f"bench --policy zero --tasks lift --episodes 1 --no-history --out {tmp_path}".split()) == 1
    assert len(records(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_fails_before_the_first_episode(added, capsys):
    assert (
        main(
            [
                "bench",
                "--policy",
                "zero",
                "--tasks",
                "lift",
                "--episodes",
                "1",
                "--no-history",
                "--out",
                "/proc/nothing/here",
            ]
        )
        == 2
    )
    assert added == []
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_reproduce_resumes(tmp_path, monkeypatch, capsys, added):
    words = f"bench --policy zero --tasks lift --episodes 3 --no-history --out {tmp_path / 'a'}"
    assert main(words.split()) == 0
    again = ["reproduce", str(tmp_path / "a" / "results.json"), "--out", str(tmp_path / "b")]
    with monkeypatch.context() as patch:
        interrupt_after(1, patch, press_ctrl_c)
        assert main(again) == 130
    assert "the same command resumes" in capsys.readouterr().err
    del added[:]
    assert main(again) == 0
    assert len(added) == 2
    assert records(tmp_path / "b") == records(tmp_path / "a")


def test_reproduce_says_that_episodes_are_kept_when_writing_results_is_interrupted(tmp_path, monkeypatch, capsys):
    words = f"bench --policy zero --tasks lift --episodes 2 --no-history --out {tmp_path / 'a'}"
    assert main(words.split()) == 0
    again = ["reproduce", str(tmp_path / "a" / "results.json"), "--out", str(tmp_path / "b")]
    with monkeypatch.context() as patch:
        patch.setattr("teamvla_eval.report.result_files.write_results", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        assert main(again) == 130
    assert f"2 measured episodes are kept in {tmp_path / 'b' / JOURNAL}" in capsys.readouterr().err
    assert main(again) == 0
    assert not (tmp_path / "b" / JOURNAL).exists()


def test_a_policy_that_does_not_fit_a_later_task_is_refused_before_the_first_episode(tmp_path, added, capsys):
    words = f"bench --policy expert zero baseline:lift --tasks lift drawer --episodes 1 --num-arms 3 --out {tmp_path}"
    assert main(words.split()) == 2
    assert "num_arms: got 3" in capsys.readouterr().err
    assert added == []
    assert list(tmp_path.iterdir()) == []
