"""Check of an HDF5 file's global heaps, which hold its text attributes: HDF5 itself loops forever in a damaged one.

Layout: HDF5 File Format Specification 3.0, section III.E. A collection begins with ``GCOL``, its version and size;
objects follow, each with an index, a reference count and its size, padded to multiples of 8 bytes. Index 0 is the free
space until the end of the collection.
"""

import mmap
from pathlib import Path

from teamvla_envs.demos.structure import DemoFileError

_SIGNATURE = b"GCOL\x01\0\0\0"
_HEADER = 16  # bytes, of a collection as of an object


def check_heaps(path: Path) -> None:
    """Refuse a file with a global heap whose objects do not lead to its end.

    Raises:
        DemoFileError: Naming the place of the damage.
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_SIGNATURE)
        while start >= 0:
            _check_collection(content, start)
            start = content.find(_SIGNATURE, start + _HEADER)


def _check_collection(content: mmap.mmap, start: int) -> None:
    end = start + int.from_bytes(content[start + 8 : start + 16], "little")
    at = start + _HEADER
    while at + _HEADER <= end <= len(content):
        index, size = (int.from_bytes(content[at + a : at + b], "little") for a, b in ((0, 2), (8, 16)))
        if index == 0:
            if size != end - at:
                break
            return
        at += _HEADER + (size + 7) // 8 * 8
    if end > len(content) or at > end or at + _HEADER <= end:
        raise DemoFileError(f"the text at byte {start} is damaged")
