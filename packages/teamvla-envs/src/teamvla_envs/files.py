"""Atomic writes of files and folders.

A file is written under a temporary name in the same folder, flushed to disk and renamed: a reader finds the old or
the new content, never a part. System errors carry the name of the requested file.
"""

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from teamvla_envs.errors import UserError

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNSUPPORTED: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_BLOCK: Final = 1 << 20  # [bytes]
_ROOM: Final = 1 << 16  # [bytes]


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically, in UTF-8."""
    write_bytes(path, text.encode())


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield a temporary path to write to; on success it replaces the file, else it is removed.

    A link stays a link: the file that it points to is replaced, and the temporary name is next to that file.
    """
    target = real_path(path)
    temporary = temporary_path(target)
    with naming(path, temporary):
        temporary.touch()  # fails at once where nothing can be written
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
            _flush_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """Yield a temporary folder to write to; on success it is renamed to ``path``, which must not exist."""
    target = real_path(path)
    with temporary_folder(temporary_path(target)) as temporary:
        yield temporary
        temporary.rename(target)


@contextmanager
def temporary_folder(path: Path) -> Generator[Path]:
    """Make an empty folder, without the remains of a killed process, and remove it unless it was renamed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def check_folder(out: Path) -> None:
    """Check, before the work begins, that files can be written into a folder, which need not exist.

    Raises:
        UserError: If the path is a file or cannot be written.
    """
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UserError(f"out is {out}, but {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"out is {out}, but {existing} cannot be written")


def temporary_path(path: Path) -> Path:
    """Return the path of a file while it is written; it keeps the suffix."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def real_path(path: Path) -> Path:
    """Return the absolute path behind symbolic links, of a file that need not exist."""
    return Path(os.path.realpath(path))


def reserve(path: Path) -> None:
    """Allocate disk space for a whole file that has its final size but not yet its content.

    Writing through a memory map cannot fail for lack of space then, which would end the process.
    """
    with naming(path), path.open("rb+") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _write_over(file.fileno(), size)


def check_space(path: Path) -> None:
    """Raise the error of a full disk if a file cannot grow: a library may have silently dropped data."""
    with path.open("rb+") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            os.posix_fallocate(file.fileno(), size, _ROOM)
        except OSError as error:
            if is_no_space(error):
                raise
        finally:
            file.truncate(size)


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Generator[None]:
    """Add the name of a file to system errors that have none, or only that of its temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary), temporary):
            error.filename, error.filename2 = str(path), None
        raise


def is_no_space(error: BaseException) -> bool:
    """Return whether an error reports that a disk, a quota or the largest size of a file is exhausted."""
    return isinstance(error, OSError) and error.errno in NO_SPACE


def _write_over(descriptor: int, size: int) -> None:
    """Overwrite a file with its own content, so that its holes are allocated."""
    for start in range(0, size, _BLOCK):
        os.pwrite(descriptor, os.pread(descriptor, _BLOCK, start), start)


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot flush a folder, and the file has its name already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
