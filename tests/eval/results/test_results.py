import json
from dataclasses import replace

import pytest
from teamvla_envs.errors import UserError
from teamvla_envs.files import check_folder
from teamvla_eval.report.result_files import write_results
from teamvla_eval.results.results import read_results, results_from_json

from tests.eval.episodes import make_results, make_suite


@pytest.fixture
def results():
    return make_results(make_suite("runs/x", 9, 1), make_suite("random", 0, 10))


def test_results_json_has_the_documented_keys(results):
    values = results.to_json()
    assert {"schema_version", "command", "versions", "tasks", "episodes"} <= values.keys()
    assert values["schema_version"] == 2
    assert {"episodes", "successes", "success_rate", "wilson_95", "time_to_success_s"} <= values["tasks"]["lift"].keys()
    assert {"policy", "task", "seed", "goal", "success", "steps", "return"} <= values["episodes"][0].keys()


def test_tasks_are_the_figures_of_the_first_policy(results):
    values = results.to_json()
    assert values["policy"] == "runs/x"
    assert values["tasks"] == values["policies"]["runs/x"]
    assert values["tasks"]["lift"]["success_rate"] == 0.9
    assert values["tasks"]["lift"]["wilson_95"] == pytest.approx([0.5958, 0.9821], abs=1e-4)
    assert values["tasks"]["lift"]["time_to_success_s"] == 4.8
    assert values["policies"]["random"]["lift"]["time_to_success_s"] is None


def test_every_goal_variant_is_reported(results):
    goals = results.to_json()["tasks"]["lift"]["goals"]
    episodes = {goal: figures["episodes"] for goal, figures in goals.items()}
    assert episodes == {"hold": 3, "stand_back": 3, "stand_front": 4}
    assert goals["stand_front"]["successes"] == 3


def test_every_episode_of_every_policy_is_listed_in_seed_order(results):
    episodes = results.to_json()["episodes"]
    assert [episode["policy"] for episode in episodes] == ["runs/x"] * 10 + ["random"] * 10
    assert [episode["seed"] for episode in episodes[:10]] == list(range(2_000_000, 2_000_010))


def test_written_results_read_back_equal(results, tmp_path):
    write_results(results, tmp_path / "deep" / "folder")
    assert read_results(tmp_path / "deep" / "folder" / "results.json") == results
    files = sorted(path.name for path in (tmp_path / "deep" / "folder").iterdir())
    assert files == ["episodes.csv", "results.json", "results.md", "results.tex"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 99}', '{"schema_version": 2}', "NaN", "[" * 5000, "not json"]
)
def test_a_foreign_file_is_refused_by_name(text, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"results\.json"):
        read_results(path)


def test_results_are_strict_json(results, tmp_path):
    write_results(results, tmp_path)
    json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        check_folder(tmp_path / "file" / "deeper")
    check_folder(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()


def test_figures_that_contradict_the_episodes_are_refused(results):
    values = json.loads(json.dumps(results.to_json()))
    values["policies"]["random"]["lift"]["successes"] = 3
    with pytest.raises(ValueError, match=r"policies\.random\.lift.successes is 3, its episodes give 0"):
        results_from_json(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "7"}, r"episodes\[0\].seed is '7', expected a whole number"),
        ({"success": 1}, r"episodes\[0\].success is 1, expected true or false"),
        ({"return": float("nan")}, r"episodes\[0\].return is nan, expected a finite number"),
        ({"coordination_score": 1.5}, r"coordination_score is 1.5, expected a number in \[0, 1\], or null"),
        ({"time_to_success_s": None}, r"episodes\[0\].time_to_success_s must be null exactly for failures"),
        ({"seed": 2_000_001}, r"episodes\[1\] repeats seed 2000001 of runs/x on lift"),
        ({"task": "fly"}, "figures|episodes"),
        ({"goal": "x" * 5000}, r"episodes\[0\].goal is 'xxx"),
    ],
)
def test_a_bad_episode_is_refused_by_its_key(results, change, message):
    values = json.loads(json.dumps(results.to_json()))
    values["episodes"][0] |= change
    with pytest.raises(ValueError, match=message):
        results_from_json(values)


@pytest.mark.parametrize("key", ["command", "settings", "versions", "git", "hardware", "episodes", "policies"])
def test_a_missing_key_is_named(results, key):
    values = json.loads(json.dumps(results.to_json()))
    del values[key]
    with pytest.raises(ValueError, match=f"{key} is missing"):
        results_from_json(values)


def test_the_first_policy_is_compared_with_the_others(results):
    (comparison,) = results.to_json()["comparisons"]
    assert (comparison["a"], comparison["b"], comparison["task"]) == ("runs/x", "random", "lift")
    assert (comparison["only_a"], comparison["only_b"], comparison["neither"]) == (9, 0, 1)


def test_unstable_episodes_are_counted_and_earlier_files_without_that_count_are_read(results):
    suite = results.suites[0]
    records = (*suite.records[:-1], replace(suite.records[-1], end_reason="unstable"))
    changed = replace(results, suites=(replace(suite, records=records), *results.suites[1:]))
    assert changed.to_json()["tasks"]["lift"]["unstable"] == 1
    assert results_from_json(json.loads(json.dumps(changed.to_json()))) == changed
    values = json.loads(json.dumps(results.to_json()))
    for figures in (policy["lift"] for policy in values["policies"].values()):
        for part in (figures, *figures["goals"].values()):
            del part["unstable"]
    assert results_from_json(values) == results
    values["policies"]["random"]["lift"]["unstable"] = 2
    with pytest.raises(ValueError, match="unstable is 2, its episodes give 0"):
        results_from_json(values)


@pytest.mark.parametrize("value", [10**400, 1e308, float("inf")])
def test_numbers_that_no_sum_survives_are_refused(results, value):
    values = json.loads(json.dumps(results.to_json()))
    values["episodes"][0]["energy"] = value
    with pytest.raises(ValueError, match=r"episodes\[0\].energy is .*, expected a finite number"):
        results_from_json(values)


def test_text_that_no_file_can_hold_is_refused(results):
    values = json.loads(json.dumps(results.to_json()))
    values["hardware"] = {"cpu": "\ud800"}
    with pytest.raises(ValueError, match="not valid Unicode"):
        results_from_json(values)
