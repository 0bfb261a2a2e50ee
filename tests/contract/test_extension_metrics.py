"""A metric that is installed with another package."""

import csv
import json
from pathlib import Path

import pytest
from teamvla_eval.report.result_files import write_results
from teamvla_eval.results.results import read_results

from tests.contract.conftest import RunWithExample

PROGRAM = ("-c", "from teamvla_envs.cli import main; raise SystemExit(main())")
BENCH = (*PROGRAM, "bench", "--policy", "random", "--tasks", "lift", "--episodes", "4", "--no-history")


def test_a_metric_of_another_package_is_in_every_result(run_with_examples: RunWithExample, tmp_path: Path):
    run_with_examples("tool_path", *BENCH, "--out", "out")
    out = tmp_path / "out"
    results = json.loads((out / "results.json").read_text())
    lengths = [episode["tool_path_m"] for episode in results["episodes"]]
    assert all(0.01 < length < 10 for pair in lengths for length in pair)
    figures = results["tasks"]["lift"]
    assert figures["tool_path_m"] == pytest.approx([sum(pair[k] for pair in lengths) / 4 for k in range(2)])
    assert set(figures["goals"]) == {episode["goal"] for episode in results["episodes"]}
    assert all("tool_path_m" in goal for goal in figures["goals"].values())
    shown = " / ".join(f"{length:.2f}" for length in figures["tool_path_m"])
    for file in ("results.md", "report.html"):
        page = (out / file).read_text()
        assert "tool path per arm [m]" in page
        assert shown in page
    with (out / "episodes.csv").open() as table:
        assert [row["tool_path_m"] for row in csv.DictReader(table)] == [f"{a!r};{b!r}" for a, b in lengths]


def test_results_are_read_whether_or_not_the_package_is_installed(run_with_examples: RunWithExample, tmp_path: Path):
    run_with_examples("tool_path", *BENCH, "--out", "with")
    (suite,) = read_results(tmp_path / "with" / "results.json").suites
    assert len(suite.records) == 4
    assert "tool_path_m" not in suite.records[0].metrics
    write_results(read_results(tmp_path / "with" / "results.json"), tmp_path / "without")
    assert "all 4 episodes are identical" in run_with_examples(
        "tool_path", *PROGRAM, "reproduce", "without/results.json"
    )
