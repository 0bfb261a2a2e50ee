"""Repair after ``os.fork``: threads do not exist in a forked child, and locks may be held there by threads that do not.

Objects that own threads or locks register here; in a forked child, their ``after_fork`` is called before other code.
"""

import ctypes
import os
import weakref
from typing import Any, Protocol


class Forked(Protocol):
    """An object to repair in a forked child."""

    def after_fork(self) -> None:
        """Replace threads and locks; called in the child, once for every fork."""
        ...


_registered: "weakref.WeakSet[Any]" = weakref.WeakSet()


def repair_after_fork(thing: Forked) -> None:
    """Call ``thing.after_fork()`` in every child forked while ``thing`` exists."""
    _registered.add(thing)


def abandon(thing: Any) -> None:
    """Keep an object for good: a C++ thread pool whose threads are gone would wait for them in its destructor."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _repair() -> None:
    for thing in list(_registered):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_repair)
