import json
from types import MappingProxyType

import pytest
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_envs.policies import ZeroPolicy, make_policy
from teamvla_eval.bench import bench, bench_command, known_tasks
from teamvla_eval.evaluate import EvaluationSettings, evaluate, open_env


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a small benchmark run through the command line."""
    out = tmp_path_factory.mktemp("bench") / "out"
    words = "bench --policy zero expert --tasks lift --episodes 4 --num-envs 3 --out"
    assert main([*words.split(), str(out)]) == 0
    return out


def test_bench_writes_results_with_the_documented_keys(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["results.json", "results.md"]
    results = json.loads((folder / "results.json").read_text())
    assert {"schema_version", "command", "versions", "tasks", "episodes"} <= results.keys()
    figures = results["tasks"]["lift"]
    assert {"episodes", "successes", "success_rate", "wilson_95", "time_to_success_s"} <= figures.keys()
    assert len(results["episodes"]) == 8
    assert [episode["seed"] for episode in results["episodes"][:4]] == list(range(2_000_000, 2_000_004))
    assert results["versions"]["newton"]


def test_the_expert_succeeds_and_standing_still_does_not(folder):
    results = json.loads((folder / "results.json").read_text())
    assert results["policies"]["zero"]["lift"]["successes"] == 0
    assert results["policies"]["expert"]["lift"]["successes"] == 4
    assert results["policies"]["expert"]["lift"]["time_to_success_s"] < 12.0
    for episode in results["episodes"]:
        assert episode["steps"] <= 300
        assert (episode["time_to_success_s"] is not None) == episode["success"]
        assert episode["goal"] in ("stand_front", "stand_back", "hold")
        assert episode["instruction"]


@pytest.mark.parametrize("num_envs", [1, 4])
def test_the_records_do_not_depend_on_the_number_of_worlds(folder, num_envs):
    settings = EvaluationSettings(episodes=4, num_envs=num_envs)
    policy = make_policy("expert")
    with open_env(policy, "expert", "lift", settings) as env:
        records = evaluate(env, policy, "expert", settings).records
    episodes = json.loads((folder / "results.json").read_text())["episodes"][4:]
    assert [{"policy": "expert", **record.to_json()} for record in records] == episodes


def test_the_command_repeats_the_run(folder):
    command = json.loads((folder / "results.json").read_text())["command"]
    assert command == "teamvla bench --policy zero expert --tasks lift --episodes 4 --num-envs 3"


def test_options_at_their_default_are_left_out_of_the_command():
    settings = EvaluationSettings(seed_set="validation", offset=5)
    command = bench_command(["runs/my policy"], ["lift"], settings)
    expected = "--policy 'runs/my policy' --tasks lift --episodes 100 --seed-set validation --offset 5"
    assert command == f"teamvla bench {expected}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--tasks lift", "policy is missing"),
        ("--policy nonsense --tasks lift", "policy is 'nonsense', allowed are"),
        ("--policy {folder} --tasks lift", "has no config.json"),
        ("--policy expert --tasks fly", "task is 'fly', allowed are lift"),
        ("--policy expert --tasks lift --episodes 0", "episodes is 0, expected at least 1"),
        ("--policy expert --tasks lift --episodes -3", "episodes is -3, expected at least 1"),
        ("--policy expert --tasks lift --num-envs 0", "num_envs is 0, expected at least 1"),
        ("--policy expert --tasks lift --threads 0", "threads is 0, expected at least 1"),
        ("--policy expert --tasks lift --seed-set best", "seed_set is 'best', allowed are train"),
        ("--policy expert --tasks lift --offset 999999", "has 1000000 seeds"),
        ("--policy expert --tasks lift --num-arms 7", "num_arms: got 7"),
        ("--policy expert --tasks lift --randomization wild", "randomization: got 'wild'"),
        ("--policy expert --tasks lift --split none", "split: got 'none'"),
        ("--policy expert --tasks lift --out {file}/out", "is a file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, message, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    arguments = ["bench", "--out", str(tmp_path / "out")]
    arguments += words.format(folder=tmp_path / "folder", file=tmp_path / "file").split()
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_all_registered_tasks_are_the_default():
    assert "lift" in known_tasks([])


def test_a_policy_for_another_number_of_arms_is_refused():
    class Trio(ZeroPolicy):
        env_kwargs = MappingProxyType({"num_arms": 3})

    with (
        pytest.raises(UserError, match="policy trio acts for 3 arms, asked for 2"),
        open_env(Trio(), "trio", "lift", EvaluationSettings(episodes=1)),
    ):
        pass


def test_a_policy_that_does_not_fit_is_named():
    class Picky(ZeroPolicy):
        def bind(self, env):
            raise ValueError("it wants an overhead camera")

    with (
        pytest.raises(UserError, match="policy picky does not fit task lift: it wants an overhead camera"),
        open_env(Picky(), "picky", "lift", EvaluationSettings(episodes=1)),
    ):
        pass


def test_a_policy_may_be_named_with_one_flag_or_several(tmp_path, capsys):
    bench(policy=(("zero",), ("random", "zero")), tasks=(("lift",),), episodes=1, out=tmp_path)
    policies = json.loads((tmp_path / "results.json").read_text())["policies"]
    assert list(policies) == ["zero", "random"]
    assert "random" in capsys.readouterr().out
