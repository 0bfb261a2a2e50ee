"""Results of seeds equal the golden record; slow, since everything is computed again."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def golden(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("golden")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("section", ["states", "demos", "training", "expert", "baselines"])
def test_the_golden_record_holds(section: str):
    command = [sys.executable, str(BENCHMARKS / "golden.py"), "check", section]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_entry_that_differs_is_named_by_its_path(golden: Any):
    expected = {"demos": {"lift": {"hashes": ["a", "b"], "steps": 3}}, "states": "x"}
    found = {"demos": {"lift": {"hashes": ["a", "c"], "steps": 3, "new": 1}}}
    assert golden.differences(expected, found) == [
        '/demos/lift/hashes: expected ["a", "b"], found ["a", "c"]',
        "/states: missing",
    ]


def test_an_unknown_section_is_refused_with_the_known_ones():
    command = [sys.executable, str(BENCHMARKS / "golden.py"), "check", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected some of states, demos, training, expert, baselines" in done.stderr
