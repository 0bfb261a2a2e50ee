"""Benchmark scripts: their arithmetic and their output, not the speed that they measure."""

import importlib
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports modules of the scripts as the scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_every_candidate_begins_a_round_in_turn(script: Callable[[str], Any]):
    measure = script("measure")
    order: list[str] = []

    def turn(name: str) -> Any:
        order.append(name)
        return measure.Rate(1.0, 1.0)

    rates = measure.alternate({"ours": lambda: turn("ours"), "theirs": lambda: turn("theirs")}, 3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert {name: len(turns) for name, turns in rates.items()} == {"ours": 3, "theirs": 3}


def test_preparation_is_not_timed(script: Callable[[str], Any]):
    measure = script("measure")
    rate = measure.time_once(measure.Candidate(lambda: time.sleep(0.05), lambda: time.sleep(0.01), 1.0), 0.05)
    assert rate.wall > 1 / 0.05


def test_a_row_reports_whether_its_threshold_is_reached(script: Callable[[str], Any]):
    row, rate = script("row"), script("measure").Rate
    ours, theirs = [rate(80.0, 90.0)], [rate(2.0, 2.0)]
    assert row.at_least("", ours, theirs, 40).cells() == ("", "40.0", "45.0", "≥ 40", "yes")
    assert row.at_least("", ours, theirs, 41).reached is False
    assert row.at_least("", ours, theirs, None).reached is None
    assert row.at_most("", [1.0, 0.2, 0.3], 0.25, "ms", ".1f").cells() == (
        "",
        "0.3 (0.2 to 1.0) ms",
        "",
        "≤ 0.25 ms",
        "no",
    )
    more = row.extra_time("", [rate(110.0, 120.0)], [rate(100.0, 100.0)], 10)
    assert more.cells() == ("", "10 %", "20 %", "≤ 10 %", "no")


@pytest.fixture
def peer(script: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module ``peer`` with one suite that has no dependencies and two variants: one sleeps, one raises."""
    peer = script("peer")
    shutil.copy(BENCHMARKS / "peers" / "rounds.py", tmp_path)
    (tmp_path / "sleeper.py").write_text(
        textwrap.dedent(
            """
            # /// script
            # requires-python = ">=3.10"
            # ///
            import time
            import rounds

            def start():
                print("a greeting that is no JSON")
                sleep = lambda seconds: rounds.rate(lambda i: time.sleep(0.01), lambda: None, seconds, 100)
                return {"name": "sleeper"}, {"sleep": sleep, "break": lambda seconds: 1 / 0}

            rounds.run(None, start)
            """
        )
    )
    monkeypatch.setattr(peer, "PEERS", tmp_path)
    return peer


def test_a_peer_measures_the_requested_variant(peer: Any):
    with closing(peer.Peer("sleeper", 0.1)) as sleeper:
        assert sleeper.facts["name"] == "sleeper"
        rates = sleeper.measure("sleep")
        assert rates["variant"] == "sleep"
        assert 0 < rates["steps_per_s"] <= 100 < rates["steps_per_cpu_s"]


def test_the_error_of_a_peer_is_reported(peer: Any):
    with closing(peer.Peer("sleeper", 0.1)) as sleeper, pytest.raises(peer.PeerError, match="ZeroDivisionError"):
        sleeper.measure("break")


def test_a_missing_peer_is_named(peer: Any):
    (peer.PEERS / "sleeper.py").unlink()
    with pytest.raises(peer.PeerError, match="sleeper"):
        peer.Peer("sleeper", 0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("speed.py layers views resets memory --num-envs 1 4 --seconds 0.1", "mujoco.rollout"),
        ("speed.py teams images image-size --num-envs 2 --seconds 0.1", "4 arms"),
        ("compare.py layers views bits memory --rounds 1 --seconds 0.1", "equal bit for bit"),
        ("reliability/soak.py --resets 200 --num-envs 4 --rounds 24 --allowed-mb 50", "| mutated state | 4 | 4 |"),
    ],
)
def test_the_scripts_print_their_tables(command: str, expected: str, tmp_path: Path):
    script, *arguments = command.split()
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
