"""Journal of a measurement: one line per finished episode, from which an interrupted run is resumed.

The first line is a header with everything that records depend on: settings, tasks, policies with the checksums of their
files, versions and metrics. Each further line is the record of an episode with a checksum of the line.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import logging
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.policies import MODULE, PolicySpec

from teamvla_eval.metrics.episode_record import EpisodeRecord, Measured
from teamvla_eval.metrics.table import registered_metrics
from teamvla_eval.results.append_only import write_line
from teamvla_eval.results.schema import MAX_BYTES, check_episode

JOURNAL = "episodes.jsonl"
SCHEMA_VERSION = 1
_FORMAT = "teamvla journal"
_CHECKPOINT = ("config.json", "model.safetensors")  # the files that determine the actions

logger = logging.getLogger(__name__)


class Journal:
    """File with the records of a measurement, kept until the results are written.

    Args:
        path: The file. Nothing is written before :meth:`start`.
        measurement: JSON-able values that the records depend on, see :func:`measurement`.
        overwrite: Discard the records of an earlier run.

    Attributes:
        path: The file.
        started: When the measurement began, UTC in ISO 8601; of a continued one, when its first run began.

    Raises:
        UserError: If the file belongs to another measurement or cannot be read, or another process is writing to it.
    """

    def __init__(self, path: Path, measurement: Mapping[str, Any], overwrite: bool = False):
        self.path = path
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self._measurement: dict[str, Any] = json.loads(json.dumps(dict(measurement)))
        self._records: dict[tuple[str, str], dict[int, EpisodeRecord]] = {}
        self._wall_s: dict[tuple[str, str], float] = {}
        self._handle: int | None = None
        self._fresh = True
        if path.exists():
            self._open(os.O_RDWR | os.O_APPEND)
            try:
                self._read(overwrite)
            except BaseException:
                self.close()
                raise

    def __len__(self) -> int:
        """Number of records."""
        return sum(map(len, self._records.values()))

    def known(self, policy: str, task: str) -> Measured:
        """Episodes of a policy on a task that an earlier run measured."""
        suite = policy, task
        return Measured(dict(self._records.get(suite, {})), self._wall_s.get(suite, 0.0))

    def start(self) -> None:
        """Open the file for records.

        Raises:
            OSError: If it cannot be written.
        """
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT)
        if self._fresh:
            assert self._handle is not None
            os.ftruncate(self._handle, 0)
            header = {"format": _FORMAT, "schema_version": SCHEMA_VERSION, "started": self.started}
            self._write(header | self._measurement)
            self._fresh = False

    def add(self, policy: str, record: EpisodeRecord, wall_s: float) -> None:
        """Append a record.

        Args:
            policy: Name of the policy.
            record: Record of the episode.
            wall_s: Wall-clock time of the policy's episodes on this task so far [s].

        Raises:
            OSError: If it cannot be written, for example because the disk is full; earlier records are not affected.
        """
        line = {"policy": policy, **record.to_json(), "wall_s": round(wall_s, 3)}
        self._write(line | {"crc32": _checksum(line)})
        self._keep(policy, record, wall_s)

    def remove(self) -> None:
        """Delete the file, because the results are written."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Flush and unlock the file; one without records is deleted."""
        if self._handle is not None:
            if not len(self) and not self._fresh:
                self.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.fsync(self._handle)
            os.close(self._handle)
            self._handle = None

    def _open(self, flags: int) -> None:
        self._handle = os.open(self.path, flags, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            self._handle = None
            raise UserError(f"another run is writing to {self.path}") from None
        except OSError as error:
            logger.warning("%s cannot be locked (%s); start no second run with the same --out", self.path, error)

    def _read(self, overwrite: bool) -> None:
        """Read the records of an earlier run, unless they are to be discarded."""
        assert self._handle is not None
        if overwrite or not (size := os.fstat(self._handle).st_size):
            return
        if size > MAX_BYTES:
            raise UserError(f"{self.path} has {size} bytes, a journal has at most {MAX_BYTES}; pass another --out")
        content = self.path.read_bytes()
        lines = content.split(b"\n")[:-1]
        if not lines:  # the process was killed while writing the header
            return
        self._check_header(lines[0])
        damaged = [number for number, line in enumerate(lines[1:], start=2) if not self._read_line(line)]
        if damaged:
            logger.warning(
                "%s: %d damaged lines, the first is line %d; these episodes are measured again",
                self.path, len(damaged), damaged[0],
            )  # fmt: skip
        os.ftruncate(self._handle, content.rfind(b"\n") + 1)  # incomplete line: the process was killed
        self._fresh = False

    def _check_header(self, line: bytes) -> None:
        advice = "pass --overwrite to discard it, or another --out"
        try:
            header = json.loads(line)
            started = str(header["started"])
            known = (header["format"], header["schema_version"]) == (_FORMAT, SCHEMA_VERSION)
        except (ValueError, KeyError, TypeError, RecursionError):
            known = False
        if not known:
            raise UserError(f"{self.path} is damaged or no journal of this version of TeamVLA; {advice}")
        difference = _difference(header, self._measurement)
        if difference:
            raise UserError(
                f"{self.path} holds the episodes of an interrupted run with other settings ({difference}); "
                "continue that one, pass --overwrite to discard its episodes, or another --out"
            )
        self.started = started

    def _read_line(self, line: bytes) -> bool:
        """Read the record of a line; False for a damaged line."""
        try:
            values = json.loads(line)
            if values.pop("crc32") != _checksum(values):
                return False
            check_episode(values)
            self._keep(values["policy"], EpisodeRecord.from_json(values), float(values["wall_s"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return False
        return True

    def _keep(self, policy: str, record: EpisodeRecord, wall_s: float) -> None:
        suite = policy, record.task
        self._records.setdefault(suite, {})[record.seed] = record
        self._wall_s[suite] = wall_s

    def _write(self, values: Mapping[str, Any]) -> None:
        assert self._handle is not None, "start() comes first"
        write_line(self._handle, self.path, json.dumps(values, allow_nan=False))


def measurement(
    program: str,
    settings: Mapping[str, Any],
    tasks: Sequence[str],
    policies: Sequence[str],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Header of a journal: everything that the records of a measurement depend on.

    Args:
        program: Name of the measuring program.
        settings: Settings that all policies share.
        tasks: Task names.
        policies: Specifications of the policies, which have been loaded.
        versions: Distribution name to version.
    """
    return {
        "program": program,
        "settings": dict(settings),
        "tasks": list(tasks),
        "policies": {name: policy_checksum(name) for name in policies},
        "versions": dict(versions),
        "metrics": [metric.name for metric in registered_metrics()],
    }


def policy_checksum(spec: str) -> str | None:
    """SHA-256 of the files that determine a policy; None for one that is part of an installed distribution.

    Args:
        spec: Specification of the policy.
    """
    parsed = PolicySpec.parse(spec)
    if parsed.kind == MODULE:
        return _module_checksum(spec.partition(":")[0])
    if parsed.path is None:
        return None
    files = [parsed.path / name for name in _CHECKPOINT] if parsed.path.is_dir() else [parsed.path]
    if not all(file.is_file() for file in files):
        return None
    checksum = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            checksum.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return checksum.hexdigest()


def _module_checksum(name: str) -> str | None:
    """SHA-256 of a module's source."""
    module = sys.modules.get(name)
    spec = module.__spec__ if module is not None else importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Description of the first difference between two headers; empty if there is none."""
    for part, wanted in now.items():
        found = before.get(part)
        if not isinstance(wanted, dict) or not isinstance(found, dict):
            if found != wanted:
                return f"{part} was {found}, now {wanted}"
            continue
        if part == "policies" and list(found) != list(wanted):
            return f"policies were {', '.join(found)}, now {', '.join(wanted)}"
        for name in (*wanted, *found):
            if found.get(name) != wanted.get(name):
                if part == "policies":
                    return f"the files of policy {name} have changed"
                return f"{name} was {found.get(name)}, now {wanted.get(name)}"
    return ""


def _checksum(values: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(values).encode()):08x}"
