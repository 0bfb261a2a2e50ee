"""State of a run in stages: its settings, the finished stages and their durations.

A stage is recorded after its last byte is written. A killed run resumes with the first stage that is not recorded, and
a folder of other settings is refused.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.files import check_folder, write_text

STATE_FILE = "quickstart.json"
SCHEMA_VERSION = 1


class RunFolder:
    """Open run folder; see :func:`open_run_folder`.

    Attributes:
        path: The folder.
        settings: Settings of the run.
        stages: Finished stages to their durations [s], in order.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], stages: Mapping[str, float]):
        self.path = path
        self.settings = dict(settings)
        self.stages = dict(stages)

    def finish(self, stage: str, duration: float) -> None:
        """Record a finished stage."""
        self.stages[stage] = round(duration, 1)
        self.save()

    def save(self) -> None:
        """Write the state file."""
        state = {"schema_version": SCHEMA_VERSION, "settings": self.settings, "stages": self.stages}
        write_text(self.path / STATE_FILE, json.dumps(state, indent=2) + "\n")


def open_run_folder(
    path: Path, settings: Mapping[str, Any], products: Sequence[str], overwrite: bool = False
) -> RunFolder:
    """Start a run folder, or resume one with the same settings.

    Args:
        path: The folder; made when it does not exist.
        settings: JSON values that all files of the folder depend on.
        products: Names of the files and folders that a run writes; ``overwrite`` deletes only these.
        overwrite: Whether to delete the products of an earlier run and start over.

    Raises:
        UserError: If the folder cannot be written, has other content, or belongs to other settings.
    """
    check_folder(path)
    state = path / STATE_FILE
    if not state.exists():
        if path.exists() and any(path.iterdir()):
            raise UserError(f"out is {path}, which has other content; pass another --out")
        path.mkdir(parents=True, exist_ok=True)
    elif overwrite:
        for product in products:
            _remove(path / product)
    else:
        return _continue(path, settings)
    folder = RunFolder(path, settings, {})
    folder.save()
    return folder


def _continue(path: Path, settings: Mapping[str, Any]) -> RunFolder:
    try:
        state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
        if state["schema_version"] != SCHEMA_VERSION:
            raise UserError(f"schema_version is {state['schema_version']}, expected {SCHEMA_VERSION}")
        before, stages = dict(state["settings"]), dict(state["stages"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path / STATE_FILE} is damaged ({error}); pass --overwrite to start over") from error
    for name, value in settings.items():
        if before.get(name) != value:
            raise UserError(
                f"{path} was made with {name} = {before.get(name)}, asked for {value}; "
                "pass --overwrite to start over, or another --out"
            )
    return RunFolder(path, settings, stages)


def _remove(product: Path) -> None:
    if product.is_dir() and not product.is_symlink():
        shutil.rmtree(product)
    else:
        product.unlink(missing_ok=True)
