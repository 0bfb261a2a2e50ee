"""Structure of an untrusted HDF5 file, checked before any of its arrays is read.

Only groups and datasets that live inside the file, each under one name, are accepted: a link, an external or a virtual
dataset could read any file of the machine, and ten thousand names of one dataset take the time of ten thousand. The
memory that an array takes is determined before it is read, compressed or not.
"""

import math
import zlib
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from teamvla_envs.demos import schema
from teamvla_envs.errors import UserError
from teamvla_envs.outside import plain

if TYPE_CHECKING:
    import h5py

MAX_DEPTH: Final = 16  # groups inside groups
MAX_ARRAY_BYTES: Final = 256 << 20  # of one array in memory that holds no images
MAX_IMAGES_BYTES: Final = 4 << 30  # of one camera's images of one demonstration in memory
MAX_TOTAL_BYTES: Final = 4 << 30  # of all arrays of a small file in memory
MAX_EXPANSION: Final = 400  # times its own size that a larger file may take in memory; images take about 20 times
_MAX_CHUNK_BYTES: Final = 512 << 10  # compressed; deflate expands by a factor of at most 1,032
_CHECKSUM: Final = 4  # bytes that fletcher32 adds to a chunk
_FILTERS: Final = {1: "gzip", 2: "shuffle", 3: "fletcher32"}  # others are loaded from libraries


class DemoFileError(UserError):
    """A file is no demonstration file or a damaged one; the message names the demonstration and the fault."""


@contextmanager
def damage_reported(where: str) -> Generator[None]:
    """Turn errors of HDF5 about a damaged file into a ``DemoFileError``.

    Args:
        where: Name of the part that was read, for the message.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise DemoFileError(f"{where} cannot be read, it takes more memory than there is") from error
    except (
        ArithmeticError, AttributeError, LookupError, OSError, RecursionError, RuntimeError, SystemError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise DemoFileError(f"{where} cannot be read, it is damaged ({plain(str(error))})") from error


def check_structure(file: "h5py.File") -> None:
    """Check that a file holds groups and plain datasets of its own, each under one name.

    Raises:
        DemoFileError: Naming the first other object.
    """
    import h5py

    low: Any = h5py  # type checkers do not find the compiled modules
    seen: dict[int, str] = {low.h5o.get_info(file.id).addr: "/"}
    groups: list[tuple[Any, str, int]] = [(file, "", 0)]
    while groups:
        group, prefix, depth = groups.pop()
        for key in group:
            path = f"{prefix}{key}"
            name = key.encode("utf-8", "surrogateescape")
            if group.id.links.get_info(name).type != low.h5l.TYPE_HARD:
                raise DemoFileError(f"{plain(path)} is a link, which is not followed")
            info = low.h5o.get_info(group.id, name)
            if info.addr in seen:
                raise DemoFileError(
                    f"{plain(path)} is another name of {plain(seen[info.addr])}, expected one name each"
                )
            seen[info.addr] = path
            if info.type == low.h5o.TYPE_GROUP:
                if depth == MAX_DEPTH:
                    raise DemoFileError(f"{plain(path)} is nested deeper than {MAX_DEPTH} groups")
                groups.append((group[key], f"{path}/", depth + 1))
            elif info.type == low.h5o.TYPE_DATASET:
                _check_storage(group[key].id.get_create_plist(), plain(path))
            else:
                raise DemoFileError(f"{plain(path)} is neither a group nor a dataset")


def check_size(dataset: "h5py.Dataset", where: str, images: bool) -> int:
    """Check the memory that a dataset takes when it is read; returns it [bytes].

    Args:
        dataset: The dataset, of which nothing is read.
        where: Its name in error messages.
        images: Whether it holds images, which may take more.

    Raises:
        DemoFileError: When it takes more than is allowed.
    """
    limit = MAX_IMAGES_BYTES if images else MAX_ARRAY_BYTES
    item = dataset.dtype.itemsize
    size = math.prod(dataset.shape) * item
    chunk = math.prod(dataset.chunks or ()) * item
    if max(size, chunk) > limit:
        raise DemoFileError(
            f"{where} has shape {plain(str(dataset.shape))} and takes {max(size, chunk)} bytes, allowed are {limit}"
        )
    if dataset.chunks and dataset.compression == "gzip":
        for place, stored in _large_chunks(dataset):
            if _inflated_size(dataset.id.read_direct_chunk(place)[1], chunk + _CHECKSUM) > chunk + _CHECKSUM:
                raise DemoFileError(f"{where} has a chunk of {stored} bytes that expands to more than {chunk} bytes")
    return max(size, chunk)


def check_total(sizes: Iterable[int], file_size: int) -> None:
    """Check the memory that all arrays of a file take together.

    Args:
        sizes: Of the arrays [bytes].
        file_size: Of the file [bytes].
    """
    total, limit = sum(sizes), max(MAX_TOTAL_BYTES, MAX_EXPANSION * file_size)
    if total > limit:
        raise DemoFileError(f"its arrays take {total} bytes in memory, allowed are {limit} for a file of {file_size}")


def is_images(path: str) -> bool:
    """Return whether a dataset's path inside a demonstration is that of a camera's images."""
    return path.startswith(schema.PIXELS)


def _check_storage(created: Any, path: str) -> None:
    """Refuse datasets that are stored elsewhere or need a plug-in library."""
    import h5py

    if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
        raise DemoFileError(f"{path} is stored outside of the file")
    numbers = [created.get_filter(index)[0] for index in range(created.get_nfilters())]
    if set(numbers) - _FILTERS.keys() or len(set(numbers)) < len(numbers):
        filters = ", ".join(_FILTERS.get(number, str(number)) for number in numbers)
        raise DemoFileError(f"{path} has the filters {filters}, allowed are {', '.join(_FILTERS.values())}, each once")


def _large_chunks(dataset: "h5py.Dataset") -> list[tuple[tuple[int, ...], int]]:
    """Return offset and stored size [bytes] of the chunks that could become too large when they are inflated."""
    found: list[tuple[tuple[int, ...], int]] = []

    def look(chunk: Any) -> None:
        if chunk.size > _MAX_CHUNK_BYTES and not chunk.filter_mask:
            found.append((chunk.chunk_offset, chunk.size))

    dataset.id.chunk_iter(look)
    return found


def _inflated_size(stored: bytes, limit: int) -> int:
    """Return the inflated size [bytes] of a zlib stream, or a number above ``limit`` when it is larger than that."""
    stream, size = zlib.decompressobj(), 0
    with suppress(zlib.error):  # HDF5 reports it when it reads the chunk
        while stored and size <= limit and not stream.eof:
            size += len(stream.decompress(stored, 1 << 20))
            stored = stream.unconsumed_tail
    return size
