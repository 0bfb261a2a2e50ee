"""Disk cache of decoded demonstrations, memory-mapped, and of the files whose content hashes were verified.

An entry is a folder of ``.npy`` files and an ``entry.json`` with their shapes and checksums, named by a hash of the
demonstrations' content hashes and the decoded cameras. An incomplete, damaged or foreign folder is decoded again. The
cache may be deleted at any time.

Verifying a content hash reads the whole file, images included; it is done once for each state of a file, which is
remembered by size and times of modification.
"""

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from teamvla_envs.files import naming, reserve, temporary_folder, write_text
from teamvla_envs.outside import read_json

from teamvla_learn.data.decode import DecodedDemos, check_content, decode

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import Demo


FORMAT = "teamvla-decoded-demos"
VERSION = 3  # to increase when the same demonstrations are decoded differently
ENTRY = "entry.json"
UNUSED_DAYS = 30.0  # unopened entries of this age are removed when another is written
KILLED_DAYS = 1.0  # unfinished entries of this age belong to killed processes
_CHUNK = 1 << 24  # [bytes] block size of checksums


def default_folder() -> Path:
    """Return the folder of the cache: in ``TEAMVLA_CACHE`` or the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("TEAMVLA_CACHE") or platformdirs.user_cache_dir("teamvla")) / "demos"


def decode_cached(
    folder: Path,
    demos: "Sequence[Demo]",
    cameras: Sequence[str],
    on_demo: Callable[[], None],
    on_found: Callable[[], None] = lambda: None,
) -> DecodedDemos:
    """Return decoded demonstrations from the cache, after decoding them into it if necessary.

    Args:
        folder: The cache.
        demos: The demonstrations, in order.
        cameras: Cameras whose images are decoded.
        on_demo: Called for each demonstration.
        on_found: Called when there is an entry, to verify the content hashes of the demonstrations.
    """
    entry = folder / _key(demos, cameras)
    found = open_entry(entry)
    if found is not None:
        on_found()
        for _ in demos:
            on_demo()
        return found
    folder.mkdir(parents=True, exist_ok=True)
    _remove_unused(folder)
    with temporary_folder(folder / f".{entry.name}.{os.getpid()}") as temporary:
        _write_entry(temporary, demos, cameras, on_demo)
        try:
            temporary.rename(entry)
        except OSError:  # another process wrote the entry meanwhile, or it is damaged
            if (found := open_entry(entry)) is not None:
                return found
            shutil.rmtree(entry, ignore_errors=True)
            temporary.rename(entry)
    written = open_entry(entry)
    if written is None:
        raise OSError(f"the cache entry {entry} cannot be read back")
    return written


def open_entry(entry: Path) -> DecodedDemos | None:
    """Open an entry of the cache; None when it is missing, damaged or foreign."""
    try:
        header = read_json(entry / ENTRY)
        if (header["format"], header["version"], header["key"]) != (FORMAT, VERSION, entry.name):
            return None
        arrays = {name: _open(entry / spec["file"], spec) for name, spec in header["arrays"].items()}
        facts = {name: np.array(_open(entry / spec["file"], spec)) for name, spec in header["facts"].items()}
        lengths, instructions = tuple(map(int, header["lengths"])), tuple(map(str, header["told"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if len(lengths) != len(instructions) or any(len(array) != sum(lengths) for array in arrays.values()):
        return None
    os.utime(entry / ENTRY)
    return DecodedDemos(arrays, lengths, instructions, facts)


def _key(demos: "Sequence[Demo]", cameras: Sequence[str]) -> str:
    parts = [FORMAT, str(VERSION), *cameras, "", *(demo.content_hash for demo in demos)]
    return sha256("\n".join(parts).encode()).hexdigest()


def _write_entry(folder: Path, demos: "Sequence[Demo]", cameras: Sequence[str], on_demo: Callable[[], None]) -> None:
    files: dict[str, str] = {}

    def storage(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        files[name] = f"{len(files)}.npy"
        path = folder / files[name]
        with naming(path):
            array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        reserve(path)
        return array

    decoded, checksums = decode(demos, cameras, storage, on_demo)
    arrays = {name: _spec(files[name], array, checksums[name]) for name, array in decoded.arrays.items()}
    for array in decoded.arrays.values():
        assert isinstance(array, np.memmap)
        array.flush()
    facts: dict[str, Any] = {}
    for number, (name, values) in enumerate(decoded.facts.items()):
        path = folder / f"fact_{number}.npy"
        with naming(path):
            np.save(path, values, allow_pickle=False)
        facts[name] = _spec(f"fact_{number}.npy", values, zlib.crc32(np.ascontiguousarray(values).data))
    lists = {"lengths": decoded.lengths, "told": decoded.instructions}
    header = {"format": FORMAT, "version": VERSION, "key": _key(demos, cameras), "arrays": arrays, "facts": facts}
    write_text(folder / ENTRY, json.dumps(header | lists))


def _spec(file: str, array: np.ndarray, checksum: int) -> dict[str, Any]:
    return {"file": file, "shape": list(array.shape), "dtype": array.dtype.str, "crc32": checksum}


def _open(path: Path, spec: Mapping[str, Any]) -> np.ndarray:
    """Memory-map an array and verify its shape, type and checksum."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if list(array.shape) != spec["shape"] or array.dtype.str != spec["dtype"]:
        raise ValueError(f"{path} has shape {array.shape} and type {array.dtype}")
    checksum, content = 0, array.reshape(-1).view(np.uint8)
    for start in range(0, len(content), _CHUNK):
        checksum = zlib.crc32(content[start : start + _CHUNK].data, checksum)
    if checksum != spec["crc32"]:
        raise ValueError(f"{path} is damaged")
    return np.asarray(array)


def _remove_unused(folder: Path) -> None:
    for entry in folder.iterdir():
        header, half_written = entry / ENTRY, entry.is_dir() and entry.name.startswith(".")
        if half_written:
            old = time.time() - entry.stat().st_mtime > KILLED_DAYS * 86400
        else:
            old = header.is_file() and time.time() - header.stat().st_mtime > UNUSED_DAYS * 86400
        if old:
            shutil.rmtree(entry, ignore_errors=True)


_VERIFIED = "checked.txt"


def check_once(folder: Path | None, path: Path, demos: "Iterable[Demo]") -> None:
    """Verify the content hashes of a file's demonstrations, unless the cache remembers that for its present state.

    Raises:
        UserError: When the content of one does not match its hash.
    """
    if folder is not None and _stamp(path) in _known(folder):
        return
    for demo in demos:
        check_content(demo)
    if folder is not None:
        remember(folder, path)


def remember(folder: Path, path: Path) -> None:
    """Remember that the content hashes of a file were verified, if the folder is writable."""
    stamp = _stamp(path)
    if stamp not in _known(folder):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / _VERIFIED).open("a", encoding="utf-8") as file:
                file.write(f"{stamp}\n")


def _known(folder: Path) -> list[str]:
    file = folder / _VERIFIED
    return file.read_text(encoding="utf-8").split("\n") if file.is_file() else []


def _stamp(path: Path) -> str:
    found = path.stat()
    stamp = (path.resolve(), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return sha256("\n".join(map(str, stamp)).encode()).hexdigest()
