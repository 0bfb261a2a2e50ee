"""Learning results: every row of docs/results.md, from demonstrations to the table.

``uv run python benchmarks/learning.py --folder runs/learning --out docs/results_tables.md`` runs the experiments
that the folder lacks, which takes days on two cores, and writes the tables of all results so far, which are kept in
``learning.csv``. Positional arguments select tables; ``--no-run`` writes the tables only; ``--jobs 2`` uses two cores.
The experiments are in ``experiments.py``.
"""

import shlex
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal

import tyro
from experiments import DATA, RUNS, TABLES, Measurement
from records import Record, read_records, records_of, write_records
from teamvla_eval.metrics.summary import wilson_interval
from teamvla_learn.baselines.registry import baselines

Device = Literal["cpu", "cuda"]
_ON = {"cpu": "", "cuda": " --device cuda --shards 1"}
_MAKING: defaultdict[Path, Lock] = defaultdict(Lock)


def main(
    tables: Annotated[tuple[str, ...], tyro.conf.Positional] = tuple(TABLES),
    folder: Path = Path("runs/learning"),
    run: bool = True,
    jobs: int = 1,
    device: Device = "cpu",
    out: Path | None = None,
) -> None:
    """Run experiments and write their tables.

    Args:
        tables: Names of tables.
        folder: Folder of data, runs and results; existing ones are reused.
        run: Whether to run missing experiments.
        jobs: Number of trainings and evaluations at the same time.
        device: Device of the trainings.
        out: Markdown file to write; by default the tables are printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if run:
        measurements = [measurement for name in tables for measurement in TABLES[name].measurements]
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(partial(_make, folder, device), measurements))
    records = _collect(folder)
    measured = [name for name in tables if any(m.name in records for m in TABLES[name].measurements)]
    text = "\n\n".join(f"## {TABLES[name].title}\n\n{_table(records, name)}" for name in measured) + "\n"
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")


def _make(folder: Path, device: Device, measurement: Measurement) -> None:
    """Run the commands of an evaluation whose outputs do not exist yet."""
    results = folder / measurement.results / "results.json"
    if results.exists():
        return
    trained = _training(measurement, device) if measurement.run in RUNS else []
    for command in [*trained, measurement.command]:
        words = shlex.split(command)
        made = folder / words[words.index("--out") + 1]
        with _MAKING[made]:  # outputs that several evaluations need are made once
            if not (made / "results.json" if command is measurement.command else made).exists():
                print(f"$ {command}", flush=True)
                subprocess.run(words, cwd=folder, check=True)


def _training(measurement: Measurement, device: str) -> list[str]:
    """Return the commands that train the evaluated policy, in order."""
    if measurement.run not in RUNS:
        return list(baselines()[measurement.run].commands)
    command = RUNS[measurement.run].replace(" --threads 1", f"{_ON[device]} --threads 1")
    needed = [word.removeprefix("runs/") for word in shlex.split(command) if word.startswith("runs/")]
    earlier = [line for name in needed if name != measurement.run for line in _training(Measurement(name, ""), device)]
    data = [DATA[word] for word in shlex.split(command) if word in DATA]
    return [*dict.fromkeys([*earlier, *data, command])]


def _collect(folder: Path) -> dict[str, list[Record]]:
    """Add the results in the folder to the earlier ones, and return all of them."""
    records = read_records()
    for table in TABLES.values():
        for measurement in table.measurements:
            if (folder / measurement.results / "results.json").exists():
                training = folder / "runs" / measurement.run if measurement.run in RUNS else None
                records[measurement.name] = records_of(folder / measurement.results, training)
    write_records(records)
    return records


def _table(records: Mapping[str, list[Record]], name: str) -> str:
    """Return the table and the commands that made it; evaluations with equal labels share a row."""
    rows: defaultdict[tuple[str, ...], list[tuple[Measurement, Record]]] = defaultdict(list)
    commands: list[str] = []
    for measurement in TABLES[name].measurements:
        for record in records.get(measurement.name, []):
            rows[*measurement.labels, record.task].append((measurement, record))
            commands += [*_training(measurement, record.device), measurement.command]
    head = [*TABLES[name].columns, "task", "success", "", "95 % interval", "training [min]"]
    lines = [head, ["---"] * (len(head) - 4) + ["---:", "---:", "---", "---:"]]
    lines += [[*labels, *_cells(seeds)] for labels, seeds in rows.items()]
    shown = "\n".join(dict.fromkeys(commands))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\nMade by\n\n```bash\n{shown}\n```"


def _cells(seeds: Sequence[tuple[Measurement, Record]]) -> tuple[str, ...]:
    """Return the cells of one row, whose evaluations differ by the training seed."""
    counts = [record.said_success if measurement.said else record.success for measurement, record in seeds]
    episodes = [record.episodes for _, record in seeds]
    low, high = wilson_interval(sum(counts), sum(episodes))
    return (
        f"{', '.join(map(str, counts))} of {episodes[0]}",
        f"{round(100 * sum(counts) / sum(episodes), 1):g} %",
        f"{100 * low:.0f}–{100 * high:.0f}",
        ", ".join(filter(None, (_minutes(measurement, record) for measurement, record in seeds))),
    )


def _minutes(measurement: Measurement, record: Record) -> str:
    minutes = record.minutes if measurement.run in RUNS else baselines()[measurement.run].minutes
    if not minutes:
        return ""
    return f"{max(float(minutes), 1):.0f}{' (GPU)' if record.device == 'cuda' else ''}"


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
