"""Named parts of a flat vector such as ``environment_state``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class PartLayout:
    """The parts of a flat vector, in order.

    Attributes:
        parts: (name, length) of each part.
    """

    parts: tuple[tuple[str, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(name for name, _ in self.parts)

    @property
    def size(self) -> int:
        """Length of the whole vector."""
        return sum(length for _, length in self.parts)

    def spans(self) -> Iterator[tuple[str, int, int]]:
        """Yield (name, start, stop) of each part."""
        start = 0
        for name, length in self.parts:
            yield name, start, start + length
            start += length

    def span(self, name: str) -> tuple[int, int]:
        """Return (start, stop) of a part.

        Raises:
            KeyError: When there is no such part; the message lists the parts.
        """
        for part, start, stop in self.spans():
            if part == name:
                return start, stop
        raise KeyError(f"no part {name!r}, the parts are {', '.join(self.names)}")

    def entries_with(self, word: str) -> tuple[int, ...]:
        """Return the entries of every part whose name contains ``word``."""
        return tuple(i for name, start, stop in self.spans() if word in name for i in range(start, stop))


def common_parts(layouts: Iterable[PartLayout]) -> dict[str, int]:
    """Return name and length of the parts of several layouts, without those whose length differs between them."""
    sizes: dict[str, set[int]] = {}
    for layout in layouts:
        for name, size in layout.parts:
            sizes.setdefault(name, set()).add(size)
    return {name: size.pop() for name, size in sizes.items() if len(size) == 1}
