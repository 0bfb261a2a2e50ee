import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from teamvla_envs.cli import main
from teamvla_envs.cluster.engine import RayEngine
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.errors import UserError
from teamvla_envs.policies import PolicySpec, make_policy
from teamvla_envs.provenance import installed_versions
from teamvla_eval.metrics.episode_record import EpisodeRecord, Measured, Suite
from teamvla_eval.results.results import read_results
from teamvla_eval.rollout import evaluate_ray
from teamvla_eval.rollout.evaluate import EvaluationSettings, evaluate, measured_episodes, open_env

from tests.eval.episodes import make_suite

EXPERT = PolicySpec.parse("expert")
SETTINGS = EvaluationSettings(episodes=16, num_envs=2, offset=3)


def test_the_records_are_the_same_though_the_workers_are_killed(
    ray_engine: RayEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    policy = make_policy("expert")
    with open_env(policy, "expert", "lift", SETTINGS) as env:
        local = evaluate(env, policy, "expert", SETTINGS)
    monkeypatch.setattr(evaluate_ray, "_CHUNK", 2)
    told: list[int] = []

    def count_and_kill(record: EpisodeRecord) -> None:
        told.append(record.seed)
        if len(told) == 1:  # half of the seeds are not handed out yet
            for child in psutil.Process().children(recursive=True):
                if " ".join(child.cmdline()).startswith("ray::_Process"):
                    os.kill(child.pid, signal.SIGKILL)

    with ray_engine.connect() as pool:
        suite = evaluate_ray.evaluate_on_ray(pool, "expert", "lift", SETTINGS, progress=count_and_kill)
    assert "a Ray worker was lost" in caplog.text
    assert suite == local
    assert sorted(told) == [record.seed for record in local.records]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_engine")
def test_the_command_writes_the_same_results(tmp_path: Path):
    words = "bench --no-history --policy random expert --tasks lift handoff --episodes 5 --num-envs 2 --out {}"
    assert main(words.format(tmp_path / "local").split()) == 0
    assert main(f"{words} --engine ray --workers 2".format(tmp_path / "cluster").split()) == 0
    local, cluster = (read_results(tmp_path / name / "results.json") for name in ("local", "cluster"))
    assert cluster.suites == local.suites
    assert (cluster.command, cluster.settings, cluster.versions) == (local.command, local.settings, local.versions)


@pytest.mark.usefixtures("ray_engine")
@pytest.mark.parametrize(("words", "message"), [("--num-arms 7", "num_arms: got 7"), ("--workers 9", "workers is 9")])
def test_what_does_not_fit_is_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]):
    assert main(f"bench --policy expert --tasks lift --engine ray {words}".split()) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_worker_runs_its_seeds_in_as_many_worlds_as_one_process_would(monkeypatch: pytest.MonkeyPatch):
    def look(env: TeamVectorEnv, *arguments: Any) -> Iterator[EpisodeRecord]:
        worlds.append(env.num_envs)
        return measured_episodes(env, *arguments)

    worlds: list[int] = []
    monkeypatch.setattr(evaluate_ray, "measured_episodes", look)
    seeds, versions = [2_000_003], installed_versions()  # fewer than worlds
    records = dict(evaluate_ray._evaluate_seeds(EXPERT, "expert", "lift", SETTINGS, False, versions, seeds))
    assert worlds == [SETTINGS.num_envs]
    assert list(records) == seeds


def test_a_checkpoint_that_a_worker_cannot_reach_is_named(tmp_path: Path):
    spec, versions = PolicySpec.parse(f"checkpoint:{tmp_path}/policy"), installed_versions()
    with pytest.raises(UserError, match=r"policy runs/x: the Ray worker on .* has no .*/policy; .* the same path"):
        list(evaluate_ray._evaluate_seeds(spec, "runs/x", "lift", SETTINGS, False, versions, [2_000_000]))


def test_episodes_that_are_known_are_not_run_again(ray_engine: RayEngine, tmp_path: Path):
    known = make_suite("expert", 3, 0).records
    settings = EvaluationSettings(episodes=5, num_envs=2)
    told: list[int] = []
    with ray_engine.connect() as pool:
        suite = evaluate_ray.evaluate_on_ray(
            pool,
            "expert",
            "lift",
            settings,
            progress=lambda record: told.append(record.seed),
            known=Measured({record.seed: record for record in known}, wall_s=100.0),
        )
        whole = evaluate_ray.evaluate_on_ray(pool, "expert", "lift", settings, known=Measured(dict(_by_seed(suite))))
    assert sorted(told) == [2_000_003, 2_000_004]
    assert suite.records[:3] == known
    assert suite.wall_s is not None
    assert suite.wall_s > 100.0
    assert whole == suite


def _by_seed(suite: Suite) -> Iterator[tuple[int, EpisodeRecord]]:
    return ((record.seed, record) for record in suite.records)


def test_a_worker_answers_each_episode_as_it_ends(monkeypatch: pytest.MonkeyPatch):
    versions = installed_versions()
    seeds = list(range(2_000_000, 2_000_003))
    settings = EvaluationSettings(episodes=3, num_envs=1)
    steps: list[int] = []
    step = TeamVectorEnv.step

    def count(env: TeamVectorEnv, actions: Any) -> Any:
        steps.append(1)
        return step(env, actions)

    monkeypatch.setattr(TeamVectorEnv, "step", count)
    answers = evaluate_ray._evaluate_seeds(EXPERT, "expert", "lift", settings, False, versions, seeds)
    _, first = next(answers)
    assert len(steps) == first.steps
    answers.close()
