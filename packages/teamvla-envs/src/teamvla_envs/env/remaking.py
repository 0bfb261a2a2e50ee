"""Copies of environments: built from the same constructor arguments, then set to the same state."""

from typing import Any, Self


class Remade:
    """An environment that supports ``pickle`` and ``copy``; a copy continues bit for bit.

    A copy consists of the constructor arguments and the result of :meth:`progress`, which :meth:`resume` restores.
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments."""
        self = super().__new__(cls)
        self._made_with = args, kwargs
        return self

    def progress(self) -> dict[str, Any]:
        """Everything that a new environment with the same arguments lacks."""
        raise NotImplementedError

    def resume(self, progress: dict[str, Any]) -> None:
        """Restore the result of :meth:`progress` of another environment."""
        raise NotImplementedError

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Constructor, its arguments, and progress."""
        return _make, (type(self), *self._made_with), self.progress()

    def __setstate__(self, progress: dict[str, Any]) -> None:
        """Restore the progress."""
        self.resume(progress)


def _make(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return cls(*args, **kwargs)
