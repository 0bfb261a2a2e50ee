import json
from dataclasses import replace

import pytest
from teamvla_envs.cli import main
from teamvla_eval.commands.leaderboard import render_leaderboard
from teamvla_eval.results.protocol import deviations
from teamvla_eval.results.submissions import read_submission
from teamvla_eval.rollout.evaluate import EvaluationSettings

from tests.eval.episodes import make_results, make_suite

TASKS = ("lift", "handoff", "drawer")


def official(successes=150, **settings):
    suites = (make_suite("runs/x", successes, 200 - successes, task) for task in TASKS)
    full = EvaluationSettings(episodes=200).to_json() | settings
    return replace(make_results(*suites), settings=full)


def submission(folder, name="Team net", run=None, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps((run or official()).to_json()))
    values = {
        "schema_version": 1,
        "name": name,
        "authors": "A. Uthor",
        "date": "2026-11-25",
        "url": "https://example.org/net",
        "observations": "vision",
        "training_data": "300 demonstrations per task",
        "training_hours": 0.5,
        "training_hardware": "2 CPU cores",
        "policy": "runs/x",
        "results": {"train": "results.json"},
    }
    path = folder / "submission.json"
    path.write_text(json.dumps(values | changes))
    return path


def test_a_run_by_the_protocol_deviates_in_nothing():
    assert deviations(official()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episodes": 100}, "episodes is 100, the protocol has 200"),
        ({"seed_set": "validation"}, "seed_set is validation"),
        ({"freeze_arm": 0}, "freeze_arm is 0"),
        ({"split": "easy"}, "split is easy"),
    ],
)
def test_a_run_with_other_settings_deviates(settings, message):
    assert any(message in line for line in deviations(official(**settings)))


def test_missing_tasks_and_other_seeds_are_found():
    results = official()
    assert deviations(replace(results, suites=results.suites[:2])) == ["tasks lack drawer"]
    lift = results.suites[0]
    swapped = replace(lift, records=lift.records[::-1])
    found = deviations(replace(results, suites=(swapped, *results.suites[1:])))
    assert found == ["runs/x on lift did not run seeds 2000000 to 2000199 in order"]


def test_a_valid_submission_is_read(tmp_path):
    read = read_submission(submission(tmp_path))
    assert (read.name, read.training_hours, list(read.results)) == ("Team net", 0.5, ["train"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name is '', expected one line"),
        ({"name": "x" * 1000}, "name is 'xxx"),
        ({"authors": "a\nb"}, "authors is"),
        ({"observations": "magic"}, "observations is 'magic', allowed are vision"),
        ({"training_hours": -1}, "training_hours is -1"),
        ({"training_hours": float("nan")}, "training_hours is nan"),
        ({"url": "javascript:alert(1)"}, "url is 'javascript:alert"),
        ({"policy": "other"}, "has no policy 'other', but runs/x"),
        ({"results": {}}, "results is {}"),
        ({"results": {"train": "../results.json"}}, "expected a file in the folder of the submission"),
        ({"results": {"train": "/etc/passwd"}}, "expected a file in the folder of the submission"),
        ({"results": {"train": "results.json", "unseen": "results.json"}}, "split unseen: split is train"),
        ({"schema_version": 9}, "schema_version 1"),
    ],
)
def test_a_bad_submission_is_refused_by_its_key(changes, message, tmp_path):
    with pytest.raises(ValueError) as caught:
        read_submission(submission(tmp_path, **changes))
    assert message in str(caught.value)
    assert "submission.json" in str(caught.value)


def test_results_that_were_touched_up_are_refused(tmp_path):
    path = submission(tmp_path)
    values = json.loads((tmp_path / "results.json").read_text())
    values["policies"]["runs/x"]["lift"]["successes"] = 199
    (tmp_path / "results.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="successes is 199, its episodes give 150"):
        read_submission(path)


def test_the_better_policy_is_first_and_equals_share_a_rank(tmp_path):
    successes = {"worse": 100, "good": 150, "as good": 149}
    read = [read_submission(submission(tmp_path / name, name, official(n))) for name, n in successes.items()]
    page = render_leaderboard(read)
    assert page.index("good") < page.index("as good") < page.index("worse")
    ranks = [row.split("</td>")[0] for row in page.split("<tr><td>")[1:]]
    assert ranks == ["1", "1", "3"]


def test_the_page_escapes_what_was_handed_in(tmp_path):
    page = render_leaderboard([read_submission(submission(tmp_path, name="<img src=x onerror=alert(1)>"))])
    assert "<img" not in page


def test_the_command_writes_the_page_only_when_all_are_valid(tmp_path, capsys):
    good = submission(tmp_path / "good")
    bad = submission(tmp_path / "bad", date="")
    page = tmp_path / "out" / "board.html"
    assert main(["leaderboard", str(good), str(bad), "--out", str(page)]) == 1
    assert "not valid" in capsys.readouterr().out
    assert not page.exists()
    assert main(["leaderboard", str(good), "--out", str(page)]) == 0
    assert "Team net" in page.read_text()


def test_a_policy_that_did_not_run_on_every_task_is_refused(tmp_path):
    run = official()
    partial = replace(run, suites=(*(replace(suite, policy="other") for suite in run.suites), run.suites[0]))
    path = submission(tmp_path, run=partial)
    with pytest.raises(ValueError, match="policy 'runs/x' lacks handoff, drawer"):
        read_submission(path)
