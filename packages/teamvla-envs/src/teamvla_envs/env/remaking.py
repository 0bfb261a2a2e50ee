"""Copies of environments: made again from the arguments of the constructor, then set to the same state."""

from typing import Any, Self


class Remade:
    """An environment that ``pickle`` and ``copy`` make again; a copy continues bit for bit.

    What a class adds in :meth:`progress` and reads in :meth:`resume` travels with the arguments of the constructor.
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments."""
        self = super().__new__(cls)
        self._made_with = args, kwargs
        return self

    def progress(self) -> dict[str, Any]:
        """All that a new environment with the same arguments lacks."""
        raise NotImplementedError

    def resume(self, progress: dict[str, Any]) -> None:
        """Take what :meth:`progress` of another environment gave."""
        raise NotImplementedError

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Constructor, its arguments, and progress."""
        return _make, (type(self), *self._made_with), self.progress()

    def __setstate__(self, progress: dict[str, Any]) -> None:
        """Go on from there."""
        self.resume(progress)


def _make(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return cls(*args, **kwargs)
