"""What policies learn: every row of docs/results.md, from demonstrations to the table.

``uv run python benchmarks/learning.py --folder runs/learning --out docs/results_tables.md`` makes what is missing,
which takes days on two cores, and writes the tables of all that is there. Words name single tables; ``--no-run`` writes
the tables only; ``--jobs 2`` keeps two cores busy. The experiments are in ``experiments.py``.
"""

import json
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import tyro
from experiments import DATA, RUNS, TABLES, Measurement
from teamvla_eval.metrics import wilson_interval
from teamvla_learn.baselines.registry import baselines

_MAKING: defaultdict[Path, Lock] = defaultdict(Lock)


def main(
    tables: Annotated[tuple[str, ...], tyro.conf.Positional] = tuple(TABLES),
    folder: Path = Path("runs/learning"),
    run: bool = True,
    jobs: int = 1,
    out: Path | None = None,
) -> None:
    """Run experiments and write their tables.

    Args:
        tables: Which.
        folder: Holds data, runs and results; what is there is not made again.
        run: Whether to make what is missing.
        jobs: Trainings and measurements side by side.
        out: Markdown file to write; by default the tables are printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if run:
        measurements = [measurement for name in tables for measurement in TABLES[name].measurements]
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(partial(_make, folder), measurements))
    measured = [name for name in tables if any((folder / m.results).exists() for m in TABLES[name].measurements)]
    text = "\n\n".join(f"## {TABLES[name].title}\n\n{_table(folder, name)}" for name in measured) + "\n"
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


def _make(folder: Path, measurement: Measurement) -> None:
    """Collect, train and measure, as far as that was not done."""
    results = folder / measurement.results / "results.json"
    if results.exists():
        return
    trained = _training(measurement) if measurement.run in RUNS else []
    for command in [*trained, measurement.command]:
        words = shlex.split(command)
        made = folder / words[words.index("--out") + 1]
        with _MAKING[made]:  # what several need is made once
            if not (made / "results.json" if command is measurement.command else made).exists():
                print(f"$ {command}", flush=True)
                subprocess.run(words, cwd=folder, check=True)


def _training(measurement: Measurement) -> list[str]:
    """Return the commands that make the measured policy, in order."""
    if measurement.run not in RUNS:
        return list(baselines()[measurement.run].commands)
    command = RUNS[measurement.run]
    needed = [word.removeprefix("runs/") for word in shlex.split(command) if word.startswith("runs/")]
    earlier = [line for name in needed if name != measurement.run for line in _training(Measurement(name, ""))]
    data = [DATA[word] for word in shlex.split(command) if word in DATA]
    return [*dict.fromkeys([*earlier, *data, command])]


def _table(folder: Path, name: str) -> str:
    """Return the rows that were measured, then the commands that made them."""
    rows: list[str] = []
    commands: list[str] = []
    for measurement in TABLES[name].measurements:
        path = folder / measurement.results / "results.json"
        if not path.exists():
            continue
        results = json.loads(path.read_text(encoding="utf-8"))
        rows += _rows(folder, measurement, results)
        commands += [*_training(measurement), measurement.command]
    head = [*TABLES[name].columns, "task", "success", "", "95 % interval", "training [min]"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * (len(head) - 4) + "---:|---:|---|---:|", *rows]
    shown = "\n".join(dict.fromkeys(commands))
    return "\n".join(lines) + f"\n\nMade by\n\n```bash\n{shown}\n```"


def _rows(folder: Path, measurement: Measurement, results: dict[str, Any]) -> Iterator[str]:
    key = "said_success" if measurement.said else "success"
    minutes = _minutes(folder, measurement.run)
    for task in dict.fromkeys(episode["task"] for episode in results["episodes"]):
        outcomes = [bool(episode[key]) for episode in results["episodes"] if episode["task"] == task]
        low, high = wilson_interval(sum(outcomes), len(outcomes))
        cells = [
            *measurement.labels,
            task,
            f"{sum(outcomes)} of {len(outcomes)}",
            f"{round(100 * sum(outcomes) / len(outcomes), 1):g} %",
            f"{100 * low:.0f}–{100 * high:.0f}",
            "" if minutes is None else f"{minutes:.0f}",
        ]
        yield "| " + " | ".join(map(str, cells)) + " |"


def _minutes(folder: Path, run: str) -> float | None:
    """Return how long a training took [min]."""
    if run not in RUNS:
        return baselines()[run].minutes
    logs = list((folder / "runs" / run).rglob("train_log.jsonl"))  # one per round
    if not logs:
        return None
    return sum(json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["time_s"] for log in logs) / 60


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
