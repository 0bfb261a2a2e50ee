"""Append-only text files: a line is appended whole or not at all, also on a full disk and by several processes."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def append_line(path: Path, line: str) -> None:
    """Append a line to a file, which is made if missing; several processes may do so at once.

    Raises:
        OSError: If the line could not be written, for example because the disk is full; names the file.
    """
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        with _locked(handle) as alone:
            write_line(handle, path, line, alone)
    finally:
        os.close(handle)


def write_line(handle: int, path: Path, line: str, alone: bool = True) -> None:
    """Append a line to a file that is open for reading and appending.

    An incomplete line at the end of the file becomes a line of its own, which readers skip.

    Args:
        handle: File descriptor.
        path: For the error message.
        line: Text without a line break.
        alone: Whether no other process appends at the same time, so that the file can be cut back after an error.

    Raises:
        OSError: If the line could not be written; names the file.
    """
    data = line.encode() + b"\n"
    size = os.fstat(handle).st_size
    try:
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data
        while data:
            written = os.write(handle, data)
            if written == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[written:]
    except BaseException as error:
        if alone:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def _locked(handle: int) -> Generator[bool]:
    """Keep other processes that use this lock from appending; False where the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
