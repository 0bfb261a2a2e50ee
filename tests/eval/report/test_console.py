import io
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from teamvla_eval.report.console import episode_progress, print_comparisons, print_history, print_results, printable
from teamvla_eval.results.history_file import HistoryEntry

from tests.eval.episodes import make_results, make_suite

NAMES = ["runs/x[lr=3]", "r[/a]x", "[bold]", "runs/" + "a_long_folder/" * 8 + "x"]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are_in_one_line(name, capsys):
    results = make_results(make_suite(name, 1, 1), make_suite("random", 0, 2))
    print_results(results)
    print_comparisons(results)
    entry = HistoryEntry("2026-11-25T10:00:00", name, "lift", 1, 1, 1.0, (0.2, 1.0), 1.0, None, {}, {}, "", "", "")
    print_history([entry])
    lines = capsys.readouterr().out.splitlines()
    assert sum(f"│ {name} " in line for line in lines) == 3


def test_numbers_are_not_cut_next_to_a_long_name(capsys):
    print_results(make_results(make_suite(NAMES[-1], 9, 1)))
    assert "60–98%" in capsys.readouterr().out


def test_control_characters_do_not_reach_the_terminal():
    assert printable("a\x1b[2J\n\u202eb").plain == "a�[2J��b"


def test_unstable_episodes_are_a_column_where_there_are_any(capsys):
    suite = make_suite("x", 1, 2)
    print_results(make_results(suite))
    assert "unstable" not in capsys.readouterr().out
    records = (*suite.records[:2], replace(suite.records[2], end_reason="unstable"))
    print_results(make_results(replace(suite, records=records)))
    assert "unstable" in capsys.readouterr().out


@pytest.mark.parametrize("error", [OSError("full"), BrokenPipeError()])
def test_episodes_go_on_when_standard_error_fails(error, monkeypatch):
    def fail(self):
        raise error

    monkeypatch.setattr(Console, "_write_buffer", fail)
    with episode_progress("lift · [/b]", 2) as progress:
        for record in make_suite("x", 1, 1).records:
            progress(record)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_console_without_unicode_shows_plain_signs_in_aligned_columns(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    results = make_results(make_suite("runs/\u6797", 0, 2), make_suite("zero", 1, 1))
    print_results(results)
    print_comparisons(results)
    entry = HistoryEntry("2026-11-25T10:00:00", "zero", "lift", 1, 0, 0.0, (0.0, 0.66), None, None, {}, {}, "", "", "")
    print_history([entry])
    stream.flush()
    shown = stream.buffer.getvalue().decode("ascii")
    assert "0-66%" in shown
    assert r"runs/\u6797 - zero" in shown
    assert r"\u2013" not in shown
    tables = shown.replace("+\n+", "+\n\n+").split("\n\n")
    assert [len({len(line) for line in table.splitlines()}) for table in tables] == [1, 1, 1]


def test_the_progress_line_is_plain_on_a_console_without_unicode(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    monkeypatch.setattr(sys, "stderr", stream)
    with episode_progress("lift · zero", 1) as progress:
        progress(make_suite("zero", 1, 0).records[0])
    stream.flush()
    assert b"lift | zero" in stream.buffer.getvalue()
