"""Checks of arguments: every value is accepted, or refused with a message that names the argument."""

import contextlib
import difflib
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

LARGEST = 2**31  # of counts
LARGEST_SEED = 2**63 - 1
_NUMBERS = "iuf"  # kinds of numpy dtypes

P = ParamSpec("P")
R = TypeVar("R")


def only_known_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that it refuses unknown keyword arguments and suggests the nearest known name."""
    parameters = inspect.signature(function).parameters
    known = [name for name, parameter in parameters.items() if parameter.kind != parameter.VAR_KEYWORD]

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise UserError(f"{name}: there is no such argument{did_you_mean(name, known)}")
        return function(*args, **kwargs)

    return checked


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``" (did you mean …?)"`` with the nearest of some names, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def check_choice(argument: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a value that is not allowed.

    Raises:
        UserError: Naming the argument and the allowed values.
    """
    if not (value is None or isinstance(value, str)) or value not in allowed:
        raise UserError(f"{argument}: got {shown(value)}, allowed are {', '.join(repr(a) for a in allowed)}")


def check_whole(argument: str, value: Any, least: int = 1, most: int = LARGEST) -> int:
    """Convert a whole number within limits to Python's ``int``; booleans are refused.

    Raises:
        UserError: Naming the argument and the limits.
    """
    number: int | None = None
    if not isinstance(value, (bool, np.bool_)):
        with contextlib.suppress(TypeError):
            number = operator.index(value)
    if number is None or not least <= number <= most:
        limits = f"from {least}" if most in (LARGEST, LARGEST_SEED) else f"from {least} to {most}"
        raise UserError(f"{argument}: got {shown(value)}, allowed are whole numbers {limits}")
    return number


def check_number(argument: str, value: Any, least: float = 0.0, most: float = math.inf) -> float:
    """Convert a finite number within limits to Python's ``float``; booleans are refused.

    Raises:
        UserError: Naming the argument and the limits.
    """
    plain = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not plain or not least <= value <= most or value == math.inf:
        limits = f"from {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise UserError(f"{argument}: got {shown(value)}, allowed are numbers {limits}")
    return float(value)


def check_names(argument: str, value: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """Convert one or several known names, each given once, to a tuple.

    Raises:
        UserError: Naming the argument and the known names.
    """
    names = (value,) if isinstance(value, str) else check_sequence(argument, value, "a name or several")
    for name in names:
        check_choice(argument, name, known)
    if len(set(names)) < len(names):
        raise UserError(f"{argument}: got {shown(value)}, expected each name once")
    return tuple(str(name) for name in names)


def check_sequence(argument: str, value: Any, expected: str) -> tuple[Any, ...]:
    """Return the entries of a list, a tuple or an array.

    Raises:
        UserError: Naming the argument and the expected type.
    """
    alone = isinstance(value, (str, bytes, Mapping)) or getattr(value, "ndim", 1) == 0
    if alone or not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
        raise UserError(f"{argument}: got {shown(value)}, expected {expected}")
    return tuple(value)


def check_seed(seed: Any) -> int | None:
    """Check the ``seed`` of the reset of one world.

    Raises:
        UserError: If it is not a whole number from 0.
    """
    return None if seed is None else check_whole("seed", seed, 0, LARGEST_SEED - 1)


def check_mapping(argument: str, value: Any, expected: str) -> Mapping[Any, Any]:
    """Check that a value is a mapping.

    Raises:
        UserError: Naming the argument and the expected type.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{argument}: got {shown(value)}, expected {expected}")
    return value


def check_seeds(seed: Any, num_envs: int) -> list[int | None]:
    """Expand the ``seed`` of a reset to one seed or ``None`` per world.

    Raises:
        UserError: If one is not a whole number from 0, or their number is wrong.
    """
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, (list, tuple, range)) or getattr(seed, "ndim", 0) > 0:
        seeds = [None if s is None else check_whole("seed", s, 0, LARGEST_SEED) for s in seed]
        if len(seeds) != num_envs:
            raise UserError(f"seed: got {len(seeds)} numbers for {num_envs} worlds")
        return seeds
    first = check_whole("seed", seed, 0, LARGEST_SEED - num_envs)
    return [first + i for i in range(num_envs)]


def as_numbers(argument: str, value: Any) -> np.ndarray:
    """Convert a number or nested lists of numbers to a float64 array of their shape.

    Text, objects and booleans are refused.

    Raises:
        UserError: Naming the argument.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{argument}: got {shown(value)}, expected an array of numbers") from error
    if array.dtype.kind not in _NUMBERS and array.size:
        raise UserError(f"{argument}: got {shown(value)}, expected an array of numbers")
    return array.astype(np.float64, copy=False)
