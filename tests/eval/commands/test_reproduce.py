import json
from dataclasses import replace

import pytest
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_eval.commands.reproduce import differences, report_differences, settings_of
from teamvla_eval.results.results import BenchResults
from teamvla_eval.rollout.evaluate import EvaluationSettings

from tests.eval.episodes import make_results, make_suite


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduce")
    words = "bench --policy expert random --tasks lift drawer --episodes 3 --num-envs 2 --no-history --out"
    assert main([*words.split(), str(out)]) == 0
    return out


@pytest.mark.parametrize("options", ["", "--num-envs 3 --threads 1"])
def test_a_run_reproduces_with_any_number_of_worlds_and_threads(folder, options, capsys):
    assert main(["reproduce", str(folder / "results.json"), *options.split()]) == 0
    assert "all 12 episodes are identical" in capsys.readouterr().out


def test_an_episode_that_differs_is_named_and_the_exit_code_is_1(folder, tmp_path, capsys):
    values = json.loads((folder / "results.json").read_text())
    values["episodes"][1]["steps"] += 1
    (tmp_path / "results.json").write_text(json.dumps(values))
    assert main(["reproduce", str(tmp_path / "results.json"), "--out", str(tmp_path / "again")]) == 1
    out = capsys.readouterr().out
    assert "expert on lift, seed 2000001: steps" in out
    assert "1 of 12 episodes differ, 0 of them in success" in out
    assert (tmp_path / "again" / "results.json").is_file()


def test_differences_name_every_field():
    before = make_results(make_suite("x", 2, 1))
    records = list(before.suites[0].records)
    records[2] = replace(records[2], success=True, time_to_success_s=3.0)
    now = replace(before, suites=(replace(before.suites[0], records=tuple(records[1:])),))
    missing, changed = differences(before, now)
    assert (missing.seed, missing.values) == (2_000_000, {"episode": ("there", "missing")})
    assert changed.values == {"success": (False, True), "time_to_success_s": (None, 3.0)}


def test_what_else_differs_is_said(capsys):
    before = make_results(make_suite("x", 2, 1))
    report_differences(before, replace(before, versions={"python": "3.12.0"}))
    out = capsys.readouterr().out
    assert "versions: python was 3.11.9, is 3.12.0" in out
    assert "versions: newton was 1.8.0, is None" in out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed": 3}, "settings.speed is unknown"),
        ({"episodes": "3"}, "settings.episodes is '3', expected int"),
        ({"blind": 1}, "settings.blind is 1, expected bool"),
        ({"threads": "all"}, "settings.threads is 'all', expected a number or null"),
        ({"episodes": 0}, "episodes is 0"),
    ],
)
def test_settings_of_a_file_are_not_trusted(settings, message):
    with pytest.raises(UserError, match=message):
        settings_of(BenchResults("", {}, settings, ()))


def test_settings_of_an_earlier_file_get_todays_defaults():
    assert settings_of(BenchResults("", {}, {"episodes": 7}, ())) == EvaluationSettings(episodes=7)


@pytest.mark.parametrize("policy", ["os:getcwd", "sb3:model.zip"])
def test_code_that_a_file_names_is_not_run_unasked(policy, tmp_path, capsys):
    results = replace(make_results(make_suite(policy, 1, 1)), settings={"episodes": 2})
    (tmp_path / "results.json").write_text(json.dumps(results.to_json()))
    assert main(["reproduce", str(tmp_path / "results.json")]) == 2
    assert f"policy {policy} of" in capsys.readouterr().err


def test_a_foreign_file_is_one_line(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main(["reproduce", str(tmp_path / "x.json")]) == 2
    assert "schema_version None, expected 2" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("threads", 1.5), ("freeze_arm", 0.5)])
def test_counts_are_whole_numbers(name, value):
    with pytest.raises(UserError, match=f"settings.{name} is {value}, expected a number or null"):
        settings_of(BenchResults("", {}, {name: value}, ()))


def test_settings_that_do_not_fit_the_episodes_are_refused_before_anything_runs(tmp_path, capsys):
    results = replace(make_results(make_suite("zero", 1, 1)), settings={"episodes": 1_000_000})
    (tmp_path / "results.json").write_text(json.dumps(results.to_json()))
    assert main(["reproduce", str(tmp_path / "results.json")]) == 2
    assert "has 2 episodes of zero on lift, its settings say 1000000" in capsys.readouterr().err
