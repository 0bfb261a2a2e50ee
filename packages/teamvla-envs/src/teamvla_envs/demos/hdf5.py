"""HDF5 files whose writing cannot crash on a full disk.

HDF5 keeps unwritten data and fails again when the file is closed, which can end the process. So it writes
through a Python file object that never fails: after the first error, content is kept in memory, and the error is
raised when HDF5 is done with the file.
"""

import io
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamvla_envs.files import replacing

if TYPE_CHECKING:
    import h5py

CheckDisk = Callable[[], None]


@contextmanager
def new_hdf5(path: Path) -> Generator[tuple["h5py.File", CheckDisk]]:
    """Write an HDF5 file, which takes its place when it is complete; see :func:`teamvla_envs.files.replacing`.

    Yields the open file, and a function that raises the error of the disk if there was one. Call it regularly
    during long writes.
    """
    import h5py

    with replacing(path) as temporary, temporary.open("rb+", buffering=0) as raw:
        storage = _Storage(raw)
        with h5py.File(storage, "w") as file:
            yield file, storage.check
        storage.check()


class _Storage(io.RawIOBase):
    """A file whose writes and reads never fail; data that the disk refused is kept in memory.

    Args:
        file: The file on the disk, unbuffered.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        super().__init__()
        self._file = file
        self._position = 0
        self._size = 0
        self._kept: list[tuple[int, bytes]] = []  # writes after the disk's error, in order
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the disk's error, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, content: Any) -> int:
        """Write at the position."""
        data = bytes(content)
        if self._error is None:
            try:
                self._write_all(data)
            except BaseException as error:
                self._error = error
        if self._error is not None:
            self._kept.append((self._position, data))
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def readinto(self, buffer: Any) -> int:
        """Read at the position; zeros where nothing was written."""
        begin, count = self._position, len(buffer)
        found = bytearray(count)
        self._file.seek(begin)
        content = self._file.read(count) or b""
        found[: len(content)] = content
        for start, data in self._kept:
            low, high = max(start, begin), min(start + len(data), begin + count)
            if low < high:
                found[low - begin : high - begin] = data[low - start : high - start]
        buffer[:] = found
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file."""
        self._size = self._position if size is None else size
        if self._error is None:
            try:
                self._file.truncate(self._size)
            except BaseException as error:
                self._error = error
        return self._size

    def _write_all(self, data: bytes) -> None:
        self._file.seek(self._position)
        left = memoryview(data)
        while left:  # a nearly full disk may write only a part
            left = left[self._file.write(left) or 0 :]
