"""Images of one camera in blocks, one per file, indexed like a single array."""

from collections.abc import Iterable, Sequence

import numpy as np


class ImageStore:
    """M images of one camera, in blocks that need not fit into memory.

    Args:
        blocks: Arrays (m, H, W, 3) uint8 of equal image size.
    """

    def __init__(self, blocks: Sequence[np.ndarray]):
        self._blocks = [np.asarray(block) for block in blocks]  # plain views: indexing a memmap is slow
        self._starts = np.cumsum([0, *(len(block) for block in self._blocks)])

    @classmethod
    def join(cls, parts: Iterable["ImageStore"]) -> "ImageStore":
        """Concatenate images of equal size without copying them."""
        return cls([block for part in parts for block in part._blocks])

    @property
    def shape(self) -> tuple[int, ...]:
        """(M, H, W, 3)."""
        return len(self), *self._blocks[0].shape[1:]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return copies of the images of samples (...,) int64, as (..., H, W, 3) uint8."""
        if len(self._blocks) == 1:
            return self._blocks[0][rows]
        within = np.searchsorted(self._starts, rows, side="right") - 1
        result = np.empty((*rows.shape, *self.shape[1:]), np.uint8)
        for block in np.unique(within).tolist():
            here = within == block
            result[here] = self._blocks[block][rows[here] - self._starts[block]]
        return result
