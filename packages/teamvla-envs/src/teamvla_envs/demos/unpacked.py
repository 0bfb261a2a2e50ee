"""The finished episodes of a collection that is not packed yet: a folder next to the file that it will become.

It holds ``collection.json`` (the settings, so that only the same collection is continued), one HDF5 file per
successful episode and one empty ``.failed`` file per failed one, both named by seed. Foreign files are left
alone.
"""

import errno
import fcntl
import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from teamvla_envs.demos.writer import Episode, write_episode
from teamvla_envs.errors import UserError
from teamvla_envs.files import write_text
from teamvla_envs.outside import read_json

_SETTINGS: Final = "collection.json"
_EPISODE: Final = re.compile(r"seed_(\d+)\.(hdf5|failed)")
_HALF_WRITTEN: Final = re.compile(r"\.(seed_\d+\.partial\.hdf5|collection\.partial\.json)")
_NO_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF)

_log = logging.getLogger(__name__)


class PartsFolder:
    """Folder of the finished episodes of an interrupted or running collection."""

    def __init__(self, out: Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        """Inspect the folder, changing nothing yet.

        Args:
            out: The file that the episodes will be packed into.
            settings: Everything that the episodes depend on.
            overwrite: Whether episodes of other settings may be discarded.

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
        return {} if self._stale else self._episodes("hdf5")

    @property
    def failed(self) -> list[int]:
        """Seeds whose episodes failed."""
        return [] if self._stale else list(self._episodes("failed"))

    def open(self) -> None:
        """Prepare the folder for episodes, and lock it until ``close``."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise UserError(f"another collection is writing to {self.path}") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _log.warning("%s cannot be locked on its file system: run one collection there at a time", self.path)
        for path in self._half_written():
            path.unlink(missing_ok=True)
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
        """Delete the episodes, and the folder unless it holds other files."""
        self._clear()
        try:
            self.path.rmdir()
        except OSError as error:
            foreign = sorted(path.name for path in self.path.iterdir())
            if not foreign:
                raise
            _log.warning("%s stays, it holds %s: %s", self.path, foreign[0], (error.strerror or str(error)).lower())

    def close(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _episodes(self, kind: str) -> dict[int, Path]:
        """Return the files of one kind by seed, in order."""
        found = {path: _EPISODE.fullmatch(path.name) for path in sorted(self.path.glob("seed_*"))}
        return {int(match[1]): path for path, match in found.items() if match and match[2] == kind}

    def _half_written(self) -> list[Path]:
        """Return the partial files of a process that was killed while it wrote."""
        return [path for path in self.path.glob(".*") if _HALF_WRITTEN.fullmatch(path.name)]

    def _clear(self) -> None:
        for path in (*self._episodes("hdf5").values(), *self._episodes("failed").values(), self.path / _SETTINGS):
            path.unlink(missing_ok=True)

    def _difference(self) -> str | None:
        """Return the first setting in which the folder's episodes differ, or None when they don't."""
        path = self.path / _SETTINGS
        if not path.exists():
            return f"{_SETTINGS} is missing" if self._episodes("hdf5") or self._episodes("failed") else None
        try:
            found = read_json(path)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            return f"{_SETTINGS} is damaged"
        for name, wanted in self._settings.items():
            if found.get(name) != wanted:
                return f"{name} was {found.get(name)}, now {wanted}"
        return None
