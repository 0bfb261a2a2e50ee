"""Registry of policy architectures.

An architecture is a subclass of :class:`~teamvla_learn.policies.base.LearnedPolicy`, registered under a name with
:func:`register_policy`. A package declares it as an entry point of the group ``teamvla.architectures`` under the same
name; training, checkpoints, ``teamvla policies`` and ``teamvla bench`` find it there.
"""

import importlib.metadata
import logging
from collections.abc import Callable
from dataclasses import is_dataclass, make_dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

from teamvla_learn.policies.base import LearnedPolicy
from teamvla_learn.policies.options import PolicyOptions

GROUP = "teamvla.architectures"
PolicyClass = TypeVar("PolicyClass", bound=type[LearnedPolicy])

_registered: dict[str, type[LearnedPolicy]] = {}
_log = logging.getLogger(__name__)


def register_policy(name: str) -> Callable[[PolicyClass], PolicyClass]:
    """Class decorator that registers an architecture.

    Args:
        name: Name that ``--policy`` takes. Checkpoints store the name of the class.

    Raises:
        ValueError: When the name or the class name is taken, or the class lacks a configuration or options.
    """

    def register(policy: PolicyClass) -> PolicyClass:
        for other_name, other in _registered.items():
            same = other.__module__ == policy.__module__ and other.__name__ == policy.__name__
            if not same and (other_name == name or other.__name__ == policy.__name__):
                raise ValueError(f"{policy} cannot be registered as {name!r}: {other} is registered as {other_name!r}")
        if not is_dataclass(getattr(policy, "config_class", None)) or not issubclass(
            policy.options_class, PolicyOptions
        ):
            raise ValueError(f"{policy} needs a dataclass config_class and an options_class derived from PolicyOptions")
        policy.name = name
        _registered[name] = policy
        return policy

    return register


def architecture_names() -> tuple[str, ...]:
    """Return the names of all registered and installed architectures, sorted, without importing any."""
    return tuple(sorted({*_registered, *architecture_entries()}))


def architecture_entries() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the entry points of the installed architectures by name, without importing any."""
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def check_architecture(name: str) -> None:
    """Check that an architecture exists.

    Raises:
        UserError: When there is none; the message lists the known names.
    """
    if name not in architecture_names():
        raise UserError(f"policy is {shown(name)}, allowed are {', '.join(architecture_names())}")


def get_architecture(name: str) -> type[LearnedPolicy]:
    """Return an architecture by its registered name.

    Raises:
        UserError: When there is none, or its package cannot be imported or does not register it.
    """
    check_architecture(name)
    if name not in _registered:
        entry = architecture_entries()[name]
        try:
            entry.load()
        except Exception as error:
            raise UserError(
                f"policy {name} cannot be loaded from {entry.value}: {type(error).__name__}: {error}"
            ) from error
        if name not in _registered:
            raise UserError(f"policy {name}: {entry.value} does not register it with @register_policy({name!r})")
    return _registered[name]


def architectures() -> dict[str, type[LearnedPolicy]]:
    """Return all architectures by name; one that cannot be loaded is left out with a warning."""
    found = {}
    for name in architecture_names():
        try:
            found[name] = get_architecture(name)
        except UserError as error:
            _log.warning("%s", error)
    return found


def find_architecture(class_name: object) -> type[LearnedPolicy]:
    """Return the architecture whose class has the name that a checkpoint stores.

    Only registered and installed architectures are searched: a checkpoint never decides which code is imported.

    Raises:
        UserError: When there is none; the message lists the known class names.
    """
    known = {policy.__name__: policy for policy in architectures().values()}
    if not isinstance(class_name, str) or class_name not in known:
        raise UserError(f"policy {shown(class_name)}, allowed are {', '.join(known)}")
    return known[class_name]


def combined_options() -> type[PolicyOptions]:
    """Return the dataclass of the ``model`` settings: the options of all architectures, each field once.

    An instance is an instance of every architecture's ``options_class``.

    Raises:
        UserError: When two architectures give one option different types.
    """
    return _combined(tuple(dict.fromkeys(policy.options_class for policy in architectures().values())))


@cache
def _combined(classes: tuple[type[PolicyOptions], ...]) -> type[PolicyOptions]:
    hints: dict[str, tuple[Any, type]] = {}
    for options in classes:
        for name, hint in get_type_hints(options, include_extras=True).items():
            known, owner = hints.setdefault(name, (hint, options))
            if known != hint:
                raise UserError(f"option {name} of {owner.__qualname__} and {options.__qualname__} differ in type")
    most_derived = [c for c in classes if not any(other is not c and issubclass(other, c) for other in classes)]
    if len(most_derived) == 1:
        return most_derived[0]
    combined: Any = make_dataclass("ModelOptions", (), bases=tuple(most_derived), frozen=True)
    return combined
