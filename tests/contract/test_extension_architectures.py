"""A policy architecture from another package: trained, saved, described, loaded and benched through its entry point."""

import json
from collections.abc import Callable
from pathlib import Path

from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings

TEAMVLA = ("-c", "import sys; from teamvla_envs.cli import main; sys.exit(main(sys.argv[1:]))")
TRAIN = (
    *("train", "demos.hdf5", "--policy", "residual", "--preset", "tiny", "--steps", "3", "--batch-size", "8"),
    *("--model.residual.blocks", "2", "--model.residual.width", "32", "--threads", "1", "--no-cache", "--out", "run"),
)
RunWithExamples = Callable[..., str]


def test_an_architecture_of_another_package_is_trained_saved_and_benched(
    run_with_examples: RunWithExamples, tmp_path: Path
):
    collect(CollectConfig(CollectionSettings("lift", cameras=()), 2, tmp_path / "demos.hdf5", num_envs=2))
    run_with_examples("residual_mlp", *TEAMVLA, *TRAIN)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["policy"] == "ResidualPolicy"
    assert config["model"]["residual"] == {"blocks": 2, "width": 32}
    assert "residual:" in (tmp_path / "run" / "train.yaml").read_text()

    shown = run_with_examples("residual_mlp", *TEAMVLA, "policies", "info", "run")
    assert "ResidualPolicy" in shown
    assert "residual_mlp:ResidualPolicy" in run_with_examples("residual_mlp", *TEAMVLA, "policies", "list")

    bench = ("bench", "--policy", "run", "--tasks", "lift", "--episodes", "2", "--out", "results", "--no-history")
    run_with_examples("residual_mlp", *TEAMVLA, *bench)
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    assert [(one["policy"], one["task"]) for one in results["episodes"]] == [("run", "lift")] * 2

    resumed = run_with_examples("residual_mlp", *TEAMVLA, *TRAIN, "--resume")
    assert "wrote run" in resumed

    # Without the package, the error lists the known architectures.
    shown = run_with_examples((), *TEAMVLA, "policies", "info", "run", code=2)
    assert "policy 'ResidualPolicy', allowed are MsgPassingVLA, StatePolicy, SingleBrainVLA" in shown


def test_an_option_of_another_architecture_is_refused(run_with_examples: RunWithExamples):
    words = ("train", "demos.hdf5", "--policy", "state", "--model.residual.blocks", "2", "--out", "x")
    shown = run_with_examples("residual_mlp", *TEAMVLA, *words, code=2)
    assert "model.residual.blocks is 2, which is for policy residual; policy is state" in shown
