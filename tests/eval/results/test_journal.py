import json
import logging

import pytest
from teamvla_envs.errors import UserError
from teamvla_eval.results.journal import Journal, measurement, policy_checksum

from tests.eval.episodes import make_suite

RECORDS = make_suite("runs/x", 3, 2).records


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "episodes.jsonl"


def expected(**changes):
    values = {
        "program": "bench",
        "settings": {"episodes": 5, "seed_set": "test"},
        "tasks": ["lift"],
        "policies": {"runs/x": "1234", "random": None},
        "versions": {"python": "3.11.9"},
    }
    return values | changes


def written(path, records=RECORDS):
    """A journal with records, of a process that is gone."""
    journal = Journal(path, expected())
    journal.start()
    for number, record in enumerate(records):
        journal.add("runs/x", record, 2.0 + number)
    journal.close()
    return journal


def test_records_and_times_are_there_for_the_next_run(path):
    first = written(path)
    journal = Journal(path, expected())
    known = journal.known("runs/x", "lift")
    assert known.records == {record.seed: record for record in RECORDS}
    assert known.wall_s == 6.0
    assert journal.started == first.started
    assert journal.known("random", "lift").records == {}
    journal.close()


def test_a_later_run_continues_the_file(path):
    written(path, RECORDS[:2])
    journal = Journal(path, expected())
    journal.start()
    journal.add("runs/x", RECORDS[2], 9.0)
    journal.close()
    assert len(path.read_text().splitlines()) == 4
    journal = Journal(path, expected())
    assert len(journal) == 3
    journal.close()


def test_part_of_a_line_is_cut_off(path):
    written(path)
    whole = path.read_text()
    path.write_text(whole[:-30])
    journal = Journal(path, expected())
    assert len(journal) == 4
    journal.start()
    journal.add("runs/x", RECORDS[4], 6.0)
    journal.close()
    assert path.read_text() == whole


@pytest.mark.parametrize("change", [('"steps": 120', '"steps": 121'), ('"crc32"', '"crc33"'), ("{", "[" * 9000)])
def test_a_damaged_line_costs_its_episode_only(change, path, caplog):
    written(path)
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(*change, 1)
    path.write_text("".join(lines))
    with caplog.at_level(logging.WARNING):
        journal = Journal(path, expected())
    assert set(journal.known("runs/x", "lift").records) == {record.seed for record in RECORDS} - {RECORDS[1].seed}
    assert "1 damaged lines, the first is line 3" in caplog.text
    journal.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"episodes": 6, "seed_set": "test"}}, "episodes was 5, now 6"),
        ({"tasks": ["drawer"]}, "tasks was ['lift'], now ['drawer']"),
        ({"policies": {"runs/x": "5678", "random": None}}, "the files of policy runs/x have changed"),
        ({"policies": {"random": None}}, "policies were runs/x, random, now random"),
        ({"versions": {"python": "3.12.0"}}, "python was 3.11.9, now 3.12.0"),
        ({"program": "reproduce"}, "program was bench, now reproduce"),
    ],
)
def test_another_measurement_is_refused_and_changes_nothing(changes, message, path):
    written(path)
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        Journal(path, expected(**changes))
    assert message in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert path.read_bytes() == before


def test_overwrite_discards_the_records(path):
    written(path)
    journal = Journal(path, expected(tasks=["drawer"]), overwrite=True)
    assert len(journal) == 0
    journal.start()
    assert len(path.read_text().splitlines()) == 1
    journal.close()


@pytest.mark.parametrize("content", ["{}\n", "mine\n", '{"format": 1}\n', "[" * 9000 + "\n", "\x00" * 50 + "\n"])
def test_a_foreign_file_is_refused(content, path):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(UserError, match="is damaged or no journal"):
        Journal(path, expected())


def test_two_processes_do_not_share_a_journal(path):
    journal = Journal(path, expected())
    journal.start()
    with pytest.raises(UserError, match="another run is writing to"):
        Journal(path, expected())
    journal.close()


def test_nothing_is_written_before_the_start_and_a_journal_without_records_does_not_stay(path):
    journal = Journal(path, expected())
    assert not path.parent.exists()
    journal.start()
    assert path.exists()
    journal.close()
    assert not path.exists()


def test_a_header_that_was_cut_off_is_written_again(path):
    written(path)
    path.write_bytes(path.read_bytes()[:20])
    journal = Journal(path, expected())
    journal.start()
    assert json.loads(path.read_text())["settings"]["episodes"] == 5
    journal.close()


def test_policies_are_told_apart_by_their_files(tmp_path, monkeypatch):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "log.jsonl").write_text("a")
    before = policy_checksum(str(folder))
    assert policy_checksum(f"checkpoint:{folder}") == before
    (folder / "log.jsonl").write_text("b")
    assert policy_checksum(str(folder)) == before
    (folder / "model.safetensors").write_bytes(b"others")
    assert policy_checksum(str(folder)) not in (before, None)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_team_policy.py").write_text("def make(): ...")
    module = policy_checksum("some_team_policy:make")
    (tmp_path / "some_team_policy.py").write_text("def make(): pass")
    assert policy_checksum("some_team_policy:make") not in (module, None)
    assert [policy_checksum(spec) for spec in ("expert", "random:7", "baseline:lift")] == [None] * 3
    values = measurement("bench", {"episodes": 1}, ("lift",), (str(folder), "expert"), {})
    assert list(values["policies"]) == [str(folder), "expert"]
