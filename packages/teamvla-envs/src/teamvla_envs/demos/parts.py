"""The finished episodes of a collection that is not packed yet: a folder beside the file that it will become.

It holds ``collection.json`` (the settings, so that only the same collection is continued), one HDF5 file per
successful episode and one empty ``.failed`` file per failed one, both named by seed.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teamvla_envs.demos.writer import Episode, write_episode
from teamvla_envs.errors import UserError
from teamvla_envs.files import write_text

_SETTINGS = "collection.json"


class PartsFolder:
    """Keeps finished episodes; what it holds is as if it had been collected just now, in one go."""

    def __init__(self, out: Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        """Look at what is there, changing nothing yet.

        Args:
            out: The file that the episodes will be packed into.
            settings: All that the episodes depend on.
            overwrite: Whether episodes of other settings may be thrown away.

        Raises:
            UserError: When the folder holds episodes of other settings.
        """
        self.path = out.with_name(f"{out.name}.parts")
        self._settings: dict[str, Any] = json.loads(json.dumps(dict(settings)))
        self._lock: int | None = None
        self._stale = False
        if self.path.exists():
            difference = self._difference()
            if difference and not overwrite:
                raise UserError(
                    f"{self.path} holds episodes of a collection with other settings ({difference}); "
                    "go on with those, or pass --overwrite to throw them away"
                )
            self._stale = difference is not None

    @property
    def succeeded(self) -> dict[int, Path]:
        """File of each successful seed."""
        return {} if self._stale else {int(path.stem.removeprefix("seed_")): path for path in self._files("hdf5")}

    @property
    def failed(self) -> list[int]:
        """Seeds whose episodes failed."""
        return [] if self._stale else [int(path.stem.removeprefix("seed_")) for path in self._files("failed")]

    def open(self) -> None:
        """Make the folder ready for episodes, and keep other processes out of it until ``close``."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise UserError(f"another collection is writing to {self.path}") from None
        for leftover in self.path.glob(".*"):  # of a process that was killed while it wrote
            leftover.unlink()
        if self._stale:
            self._clear()
            self._stale = False
        write_text(self.path / _SETTINGS, json.dumps(self._settings, indent=1))

    def add(self, episode: Episode) -> None:
        """Keep a finished episode: its arrays when it succeeded, else only its seed."""
        name = f"seed_{episode.seed:08d}"
        if episode.success:
            write_episode(self.path / f"{name}.hdf5", episode)
        else:
            (self.path / f"{name}.failed").touch()

    def remove(self) -> None:
        """Delete the folder and what ``add`` put into it."""
        self._clear()
        self.path.rmdir()

    def close(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _files(self, suffix: str) -> list[Path]:
        return sorted(self.path.glob(f"seed_*.{suffix}"))

    def _clear(self) -> None:
        for path in (*self._files("hdf5"), *self._files("failed"), self.path / _SETTINGS):
            path.unlink(missing_ok=True)

    def _difference(self) -> str | None:
        """Return the first setting in which the folder's episodes differ, or None when they don't."""
        path = self.path / _SETTINGS
        if not path.exists():
            return f"{_SETTINGS} is missing" if self._files("*") else None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return f"{_SETTINGS} is damaged"
        for name, wanted in self._settings.items():
            if found.get(name) != wanted:
                return f"{name} was {found.get(name)}, now {wanted}"
        return None
