"""Result files of a benchmark run: ``results.json`` and the tables that are made from it."""

import json
from pathlib import Path

from teamvla_envs.files import write_text

from teamvla_eval.report.tables import episodes_csv, latex_table, markdown_table
from teamvla_eval.results.results import BenchResults


def write_results(results: BenchResults, folder: Path) -> None:
    """Write ``results.json``, ``results.md``, ``results.tex`` and ``episodes.csv``, each complete or not at all.

    Args:
        results: What to write.
        folder: Created when it does not exist; files of an earlier run are replaced.
    """
    files = {
        "results.md": markdown_table(results),
        "results.tex": latex_table(results),
        "episodes.csv": episodes_csv(results),
        "results.json": json.dumps(results.to_json(), indent=2, allow_nan=False) + "\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)
