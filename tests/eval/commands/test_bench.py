import json
from types import MappingProxyType

import numpy as np
import pytest
from teamvla_envs.cli import main
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.policies import make_policy
from teamvla_envs.scripted_policies import ZeroPolicy
from teamvla_eval.commands.bench import BenchConfig, OutputConfig, bench, bench_command, known_tasks
from teamvla_eval.rollout.evaluate import EvaluationSettings, evaluate, open_env


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a small benchmark run through the command line."""
    out = tmp_path_factory.mktemp("bench") / "out"
    words = "bench --policy zero expert --tasks lift --episodes 4 --num-envs 3 --out"
    assert main([*words.split(), str(out)]) == 0
    return out


def test_bench_writes_results_with_the_documented_keys(folder):
    files = ["episodes.csv", "report.html", "results.json", "results.md", "results.tex"]
    assert sorted(path.name for path in folder.iterdir()) == files
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


def test_an_episode_that_becomes_unstable_is_a_failure_that_is_counted_and_no_other_changes(
    folder, tmp_path, monkeypatch
):
    step = TeamVectorEnv.step

    def push_second(env, actions):
        state = env.get_state()
        for world in np.flatnonzero((state["seed"] == 2_000_001) & (state["steps"] == 20) & (state["end"] == 0)):
            env.push(int(world), "bar", [1e12, 0, 0])
        return step(env, actions)

    monkeypatch.setattr(TeamVectorEnv, "step", push_second)
    words = "bench --policy expert --tasks lift --episodes 4 --num-envs 3 --no-history --out"
    assert main([*words.split(), str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["tasks"]["lift"]["unstable"] == 1
    assert [episode["end_reason"] for episode in results["episodes"]] == ["success", "unstable", "success", "success"]
    before = json.loads((folder / "results.json").read_text())["episodes"][4:]
    assert [results["episodes"][k] for k in (0, 2, 3)] == [before[k] for k in (0, 2, 3)]


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
        ("--policy expert --tasks lift --device tpu", "device: got 'tpu'"),
        ("--policy expert --tasks lift --freeze-arm 2", "freeze_arm is 2, the arms are 0 to 1"),
        ("--policy expert --tasks lift --drop-messages 2", "drop_messages is 2.0, expected a share"),
        ("--policy expert --tasks lift --drop-messages 0.5", "its arms send no messages"),
        ("--policy expert --tasks lift --blind", "sees no cameras"),
        ("--policy expert --tasks lift --fail-under 90", "fail-under is 90.0, expected a share"),
        ("--policy expert --tasks lift --videos -1", "videos is -1"),
        ("--policy sb3:model.zip --tasks lift", "pass --trust"),
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
        pytest.raises(UserError, match="policy trio acts for 3 arms, asked for 2: pass --num-arms 3"),
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
    policies = (("zero",), ("random", "zero"))
    settings, output = EvaluationSettings(episodes=1), OutputConfig(out=tmp_path)
    bench(BenchConfig(policy=policies, tasks=(("lift",),), evaluation=settings, output=output))
    policies = json.loads((tmp_path / "results.json").read_text())["policies"]
    assert list(policies) == ["zero", "random"]
    assert "random" in capsys.readouterr().out


def test_a_policy_that_is_good_enough_exits_with_0():
    assert main(["bench", "--policy", "expert", "--tasks", "lift", "--episodes", "1", "--fail-under", "1.0"]) == 0


def test_a_first_policy_that_is_not_good_enough_exits_with_1(capsys):
    assert (
        main(["bench", "--policy", "zero", "expert", "--tasks", "lift", "--episodes", "1", "--fail-under", "0.9"]) == 1
    )
    assert "zero on lift: success 0.000 is under 0.9" in capsys.readouterr().out


def test_two_policies_are_compared(capsys, tmp_path):
    words = f"bench --compare expert zero --tasks lift --episodes 2 --out {tmp_path}"
    assert main(words.split()) == 0
    assert "McNemar" in capsys.readouterr().out
    (comparison,) = json.loads((tmp_path / "results.json").read_text())["comparisons"]
    assert (comparison["a"], comparison["b"], comparison["only_a"]) == ("expert", "zero", 2)


def test_ablations_are_part_of_the_command_that_repeats_the_run():
    settings = EvaluationSettings(1, freeze_arm=0, swap_instruction=True, deterministic=True)
    command = bench_command(["expert"], ["lift"], settings)
    assert command.endswith("--episodes 1 --deterministic --freeze-arm 0 --swap-instruction")


def test_the_team_fails_without_an_arm_and_does_what_the_swapped_sentence_says(tmp_path):
    words = f"bench --policy expert --tasks lift --episodes 2 --freeze-arm 1 --out {tmp_path}/frozen"
    assert main(words.split()) == 0
    assert json.loads((tmp_path / "frozen" / "results.json").read_text())["tasks"]["lift"]["successes"] == 0
    words = f"bench --policy expert --tasks lift --episodes 2 --swap-instruction --out {tmp_path}/swapped"
    assert main(words.split()) == 0
    figures = json.loads((tmp_path / "swapped" / "results.json").read_text())["tasks"]["lift"]
    assert (figures["success_rate"], figures["said_success_rate"]) == (0.0, 1.0)


def test_a_run_says_where_it_comes_from(folder):
    results = json.loads((folder / "results.json").read_text())
    assert results["protocol"] == "TeamVLA-Bench v0"
    assert results["started"].endswith("+00:00")
    assert results["hardware"]["cores"] >= 1
    assert results["policies"]["zero"]["lift"]["wall_s"] > 0


def test_every_run_is_appended_to_the_history_unless_told_otherwise(history):
    words = "bench --policy zero --tasks lift --episodes 1"
    assert main([*words.split(), "--no-history"]) == 0
    assert not history.exists()
    assert main(words.split()) == 0
    assert main([*words.split(), "--history", str(history.parent / "mine.jsonl")]) == 0
    assert len(history.read_text().splitlines()) == 1
    assert (history.parent / "mine.jsonl").is_file()
