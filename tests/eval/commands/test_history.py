import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_eval.report.history_page import render_history
from teamvla_eval.results.history_file import append_history, history_file, read_history

from tests.eval.episodes import make_results, make_suite


def a_run(number=0, version="0.1.0"):
    suite = replace(make_suite("runs/x", 9 - number, 1 + number), wall_s=5.0)
    results = make_results(suite, make_suite("random", 0, 10))
    return replace(results, started=f"2026-11-2{number}T10:00:00+00:00", versions={"teamvla-envs": version})


def test_a_run_is_a_line_with_an_entry_per_policy_and_task(history):
    append_history(a_run(), history)
    append_history(a_run(1), history)
    entries = read_history(history)
    assert [(entry.policy, entry.successes) for entry in entries] == [
        ("runs/x", 9), ("random", 0), ("runs/x", 8), ("random", 0),
    ]  # fmt: skip
    assert entries[0].episodes_per_s == 2.0
    assert entries[1].episodes_per_s is None
    assert entries[0].command.startswith("teamvla bench")
    assert len(history.read_text().splitlines()) == 2


def test_a_damaged_line_costs_no_other(history, caplog):
    append_history(a_run(), history)
    with history.open("a") as file:
        file.write('{"half of a li\n[1, 2]\n{"suites": 3}\n' + "[" * 3000 + "\n")
    append_history(a_run(1), history)
    assert len(read_history(history)) == 4
    assert "left out 4 damaged lines, the first is line 2" in caplog.text


def test_without_a_file_the_error_says_what_makes_one(history):
    with pytest.raises(UserError, match="teamvla bench makes one"):
        read_history(history)


def test_the_environment_says_where_the_history_is(history):
    assert history_file() == history


def test_writers_that_append_at_once_do_not_mix(history):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: append_history(a_run(), history), range(40)))
    assert len(read_history(history)) == 40 * 2


def test_the_page_has_a_section_per_task_and_loads_nothing(history):
    for number, version in enumerate(("0.1.0", "0.1.0", "0.2.0")):
        append_history(a_run(number, version), history)
    page = render_history(read_history(history))
    assert page.count("<h2>") == 2
    assert page.count("<svg") == 2
    assert "3 runs" in page
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "https:" not in page


def test_the_page_escapes_names(history):
    append_history(make_results(make_suite("<script>alert(1)</script>", 1, 1)), history)
    assert "<script" not in render_history(read_history(history))


def test_the_command_shows_what_was_asked_for(history, tmp_path, capsys):
    append_history(a_run(), history)
    assert main(["history", "--policy", "random", "--html", str(tmp_path / "deep" / "h.html")]) == 0
    shown = capsys.readouterr().out
    assert "random" in shown
    assert "runs/x" not in shown
    assert (tmp_path / "deep" / "h.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "message"),
    [("--policy nobody", "no matching runs"), ("--last 0", "last is 0"), ("--file no", "no history")],
)
def test_bad_input_is_one_line(words, message, history, capsys):
    append_history(a_run(), history)
    assert main(["history", *words.split()]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_entries_are_strict_json(history):
    append_history(a_run(), history)
    json.loads(history.read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("versions", ["0.1.0"]), ("settings", 3), ("suites", {}), ("started", None), ("command", "\ud800"),
        ("policy", 3), ("task", "\udfff"), ("episodes", "many"), ("episodes", 10**400), ("success_rate", float("nan")),
        ("success_rate", 7.0), ("success_rate", 0.01), ("wilson_95", []), ("wilson_95", [0.9, 0.1]),
        ("time_to_success_s", float("inf")), ("episodes_per_s", 1e308), ("episodes_per_s", -1),
    ],
)  # fmt: skip
def test_a_malformed_line_breaks_neither_list_nor_page(key, value, history, tmp_path, caplog):
    append_history(a_run(), history)
    run = json.loads(history.read_text())
    (run if key in run else run["suites"][0])[key] = value
    with history.open("a") as file:
        file.write(json.dumps(run) + "\n")
    append_history(a_run(1), history)
    assert main(["history", "--html", str(tmp_path / "h.html")]) == 0
    assert "left out 1 damaged lines, the first is line 2" in caplog.text
    assert (tmp_path / "h.html").read_text().count("runs/x</td>") == 2


def test_names_with_markup_are_shown(history, tmp_path, capsys):
    names = ("[/b]", "runs/x[lr=3]", "$\\frac$", "<script>")
    append_history(make_results(*(make_suite(name, 1, 1) for name in names)), history)
    assert main(["history", "--html", str(tmp_path / "h.html")]) == 0
    shown, page = capsys.readouterr().out, (tmp_path / "h.html").read_text()
    assert all(name in shown for name in names)
    assert "[/b]</td>" in page
    assert "<script" not in page


def test_a_line_that_is_too_long_costs_no_other(history, monkeypatch):
    append_history(a_run(), history)
    with history.open("a") as file:
        file.write("9" * 100_000 + "\n")
    append_history(a_run(1), history)
    monkeypatch.setattr("teamvla_eval.results.history_file.MAX_LINE", 50_000)
    assert len(read_history(history)) == 4


def test_a_line_that_was_cut_off_does_not_spoil_the_next(history):
    append_history(a_run(), history)
    with history.open("a") as file:
        file.write(history.read_text()[:100])
    append_history(a_run(1), history)
    assert len(read_history(history)) == 4


def test_a_line_that_a_full_disk_cut_short_is_an_error_and_is_taken_back(history, monkeypatch):
    append_history(a_run(), history)
    before, write = history.read_bytes(), os.write
    with monkeypatch.context() as patch:
        sizes = iter([50])
        patch.setattr(os, "write", lambda handle, data: write(handle, data[: next(sizes, 0)]))
        with pytest.raises(OSError, match="No space left on device") as caught:
            append_history(a_run(1), history)
    assert caught.value.filename == str(history)
    assert history.read_bytes() == before


def test_without_a_home_folder_nothing_is_written_into_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("TEAMVLA_HISTORY")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name: f"~/.local/share/{name}")
    with pytest.raises(FileNotFoundError, match="set TEAMVLA_HISTORY"):
        history_file()
