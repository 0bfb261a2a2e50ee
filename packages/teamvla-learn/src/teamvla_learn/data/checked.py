"""Which demonstration files were found to hold what their content hashes say.

A file is read in full for that, pictures included, so it is done once for each state of a file and remembered by size
and times of change.
"""

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from teamvla_learn.data.decode import check_content

if TYPE_CHECKING:
    from teamvla_envs.demos.reader import Demo

_NAME = "checked.txt"


def check_once(folder: Path | None, path: Path, demos: "Iterable[Demo]") -> None:
    """Compare demonstrations with their hashes, unless that was done since the file last changed.

    Args:
        folder: Where it is remembered; None compares every time.
        path: The file.
        demos: Its demonstrations.

    Raises:
        UserError: When one is not what its hash says.
    """
    if folder is not None and _stamp(path) in _known(folder):
        return
    for demo in demos:
        check_content(demo)
    if folder is not None:
        remember(folder, path)


def remember(folder: Path, path: Path) -> None:
    """Note, if the folder can be written to, that a file was found to be what its hashes say."""
    stamp = _stamp(path)
    if stamp not in _known(folder):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / _NAME).open("a", encoding="utf-8") as file:
                file.write(f"{stamp}\n")


def _known(folder: Path) -> list[str]:
    file = folder / _NAME
    return file.read_text(encoding="utf-8").split("\n") if file.is_file() else []


def _stamp(path: Path) -> str:
    found = path.stat()
    told = (path.resolve(), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return sha256("\n".join(map(str, told)).encode()).hexdigest()
