"""Named draws: the random quantities of an initial state, declared with ranges and units.

A task declares its draws once; the order is part of the contract of a seed, because every draw takes the next uniform
numbers of the episode. Code reads draws by name (``d.length``), never by column.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown
from teamvla_envs.randomization import Randomization

# Ordered pairs of four colors, first and second place. Each color takes both places in both splits, and training has
# every two colors together, so that a policy can learn which word means which color.
COLOR_PAIRS = {
    "train": ((1, 0), (2, 1), (3, 2), (0, 3), (0, 2), (2, 0), (1, 3), (3, 1)),
    "unseen": ((0, 1), (1, 2), (2, 3), (3, 0)),
}
HELD_OUT = (0.4, 0.6)  # share of a held-out range that only the unseen split has
LIMITS = {"m": (-1.0, 1.0), "rad": (-2 * np.pi, 2 * np.pi), "kg": (1e-3, 10.0)}  # of ranges that users give


class Draw(ABC):
    """One random quantity; takes one uniform number per world."""

    meaning: str = ""

    @abstractmethod
    def __call__(self, u: np.ndarray, split: str, randomization: Randomization) -> np.ndarray:
        """Values from uniform numbers ``u`` (n,) in [0, 1); first axis n."""


@dataclass
class Uniform(Draw):
    """A number that is uniform in a range.

    Attributes:
        low: Lower end of the range.
        high: Upper end.
        unit: ``"m"``, ``"rad"``, ``"kg"`` …
        scaled_by: Attribute of :class:`Randomization` that scales the range about its center: ``"poses"``, ``"sizes"``,
            ``"masses"``; ``None`` leaves the range as it is.
        held_out: Whether the middle fifth of the range is reserved for ``split="unseen"``, which then draws from
            nothing else.
        meaning: Description in tables.
        limits: Values that a user's range may contain; ``None`` derives them from the unit and the sign.
    """

    low: float
    high: float
    unit: str = ""
    scaled_by: str | None = None
    held_out: bool = False
    meaning: str = ""
    limits: tuple[float, float] | None = None

    def __call__(self, u: np.ndarray, split: str, randomization: Randomization) -> np.ndarray:
        """Values ``(n,)`` in :attr:`unit`; they exceed the range a little where randomization is wider than it."""
        if self.held_out:
            first, last = HELD_OUT
            gap = last - first
            if split == "unseen":
                u = first + gap * u
            else:
                kept = (1 - gap) * u
                u = kept + gap * (kept >= first)
        if self.scaled_by:
            u = 0.5 + getattr(randomization, self.scaled_by) * (u - 0.5)
        if self.low == -self.high:
            return self.high * (2 * u - 1)
        # Rounded, so that a range from 0.40 to 0.70 is 0.3 wide.
        span = self.high - self.low if self.low == 0 else round(self.high - self.low, 12)
        return self.low + span * u

    def span(self, randomization: Randomization) -> tuple[float, float]:
        """Lowest and highest value at a level of randomization."""
        ends = self(np.array([0.0, 1.0]), "train", randomization)
        return float(ends[0]), float(ends[1])

    def between(self, name: str, given: Any) -> "Uniform":
        """The same quantity with a range given by a user, which neither levels nor splits change.

        Args:
            name: Name of the draw, for messages.
            given: Two numbers.

        Raises:
            UserError: If it is no range, or has values that the quantity cannot have.
        """
        ends = list(given) if isinstance(given, (list, tuple, np.ndarray)) else []
        number = (int, float, np.integer, np.floating)
        numbers = all(isinstance(end, number) and not isinstance(end, bool) for end in ends)
        if len(ends) != 2 or not numbers or not ends[0] <= ends[1]:
            raise UserError(f"randomization: {name} is {shown(given)}, expected a range such as {self._example}")
        least, most = self._allowed
        if not (least <= ends[0] and ends[1] <= most):
            limits = f"from {least:g} to {most:g} {self.unit}".rstrip()
            raise UserError(f"randomization: {name} is {shown(given)}, expected values {limits}")
        return Uniform(float(ends[0]), float(ends[1]), self.unit, meaning=self.meaning, limits=self.limits)

    @property
    def _example(self) -> str:
        return f"({self.low:g}, {self.high:g})"

    @property
    def _allowed(self) -> tuple[float, float]:
        if self.limits is not None:
            return self.limits
        least, most = LIMITS.get(self.unit, (-1e6, 1e6))
        return (max(least, self.low / 10), most) if self.low > 0 else (least, most)


class Choice(Draw):
    """One of several options, each equally likely.

    Args:
        options: Names of the options.
        meaning: Description in tables.
    """

    def __init__(self, *options: str, meaning: str = ""):
        self.options, self.meaning = options, meaning

    def __call__(self, u: np.ndarray, split: str, randomization: Randomization) -> np.ndarray:
        """Indices of options, shape ``(n,)`` int64."""
        return pick(u, len(self.options))


class Pair(Draw):
    """An ordered pair of different colors out of four; the splits have different pairs.

    Args:
        colors: Name to rgba of the four colors.
        meaning: Description in tables.
    """

    def __init__(self, colors: Mapping[str, tuple[float, float, float, float]], meaning: str = ""):
        self.colors, self.meaning = colors, meaning

    def __call__(self, u: np.ndarray, split: str, randomization: Randomization) -> np.ndarray:
        """Indices of colors, shape ``(n, 2)``."""
        pairs = np.array(COLOR_PAIRS[split])
        return pairs[pick(u, len(pairs))]


class Wording(Draw):
    """The choice among paraphrases."""

    meaning = "paraphrase of the instruction"

    def __call__(self, u: np.ndarray, split: str, randomization: Randomization) -> np.ndarray:
        """A number in [0, 1), shape ``(n,)``."""
        return u


class Reserved(Wording):
    """A uniform number that nothing reads; keeps the columns of later draws."""

    meaning = "reserved"


class Each:
    """Draws of several instances of the same kind, one instance after the other.

    ``cube=Each(4, x=…, mass=…)`` declares ``d.cube_x`` and ``d.cube_mass``, shape ``(n, 4)``.

    Args:
        count: Number of instances.
        **draws: Draws of one instance.
    """

    def __init__(self, count: int, **draws: Draw):
        self.count, self.draws = count, draws


class Draws(Mapping[str, Draw]):
    """The draws of a task by name, in the order of their columns.

    Args:
        **draws: Name to draw, or to :class:`Each`, whose draws have the prefix ``name_``.

    Attributes:
        count: Uniform numbers of one initial state.
    """

    def __init__(self, **draws: Draw | Each):
        self._draws: dict[str, Draw] = {}
        self._columns: dict[str, tuple[int, ...]] = {}
        self._many: set[str] = set()
        self.count = 0
        for name, draw in draws.items():
            if isinstance(draw, Draw):
                self._draws[name], self._columns[name] = draw, (self.count,)
                self.count += 1
                continue
            size = len(draw.draws)
            for offset, (part, one) in enumerate(draw.draws.items()):
                full = f"{name}_{part}"
                first = self.count + offset
                self._draws[full] = one
                self._columns[full] = tuple(range(first, first + size * draw.count, size))
                self._many.add(full)
            self.count += size * draw.count

    def __getitem__(self, name: str) -> Draw:
        """The draw of that name."""
        return self._draws[name]

    def __iter__(self) -> Iterator[str]:
        """Names in the order of their first column."""
        return iter(self._draws)

    def __len__(self) -> int:
        """Number of names."""
        return len(self._draws)

    def column(self, name: str) -> int:
        """The column of a draw that has only one."""
        (column,) = self._columns[name]
        return column

    def options(self, name: str) -> tuple[str, ...]:
        """Options of a :class:`Choice`."""
        draw = self._draws[name]
        assert isinstance(draw, Choice)
        return draw.options

    @property
    def ranges(self) -> dict[str, Uniform]:
        """The draws with a range, which users can override."""
        return {name: draw for name, draw in self._draws.items() if isinstance(draw, Uniform)}

    def replace(self, **draws: Draw) -> "Draws":
        """The same draws, in the same columns, with others in place of some."""
        assert draws.keys() <= self._draws.keys()
        changed = object.__new__(Draws)
        vars(changed).update(vars(self))
        changed._draws = self._draws | draws
        return changed

    def override(self, ranges: Mapping[str, Any]) -> "Draws":
        """The same draws with ranges given by a user.

        Raises:
            UserError: If a range has values that the quantity cannot have.
        """
        known = self.ranges
        return self.replace(**{name: known[name].between(name, given) for name, given in ranges.items()})

    def sample(self, u: np.ndarray, split: str, randomization: Randomization) -> "Sample":
        """Values of all draws from uniform numbers.

        Args:
            u: Shape ``(n, count)``, in [0, 1).
            split: ``"train"`` or ``"unseen"``.
            randomization: Scales the ranges.
        """
        values = {}
        for name, draw in self._draws.items():
            columns = [draw(u[:, column], split, randomization) for column in self._columns[name]]
            # Contiguous columns: numpy computes sines of strided arrays by another kernel.
            values[name] = np.array(columns).T if name in self._many else columns[0]
        return Sample(len(u), split, values)


class Sample:
    """Drawn values of n worlds: one attribute per draw, first axis n.

    Attributes:
        split: ``"train"`` or ``"unseen"``.
    """

    def __init__(self, count: int, split: str, values: Mapping[str, np.ndarray]):
        self.split, self._count, self._values = split, count, values

    def __len__(self) -> int:
        """Number of worlds n."""
        return self._count

    def __contains__(self, name: str) -> bool:
        """Whether there is a draw of that name."""
        return name in self._values

    def __getattr__(self, name: str) -> np.ndarray:
        """The values of a draw."""
        try:
            values: Mapping[str, np.ndarray] = self.__dict__["_values"]
            return values[name]
        except KeyError:
            raise AttributeError(f"no draw {name!r}, declared are {', '.join(self.__dict__['_values'])}") from None

    def reversed(self, pairs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Whether a second pair has the colors of ``pairs`` in the opposite order, shape ``(n,)`` bool.

        Args:
            pairs: Values of a :class:`Pair`, shape ``(n, 2)``.
            wanted: Values of a :class:`Choice`, shape ``(n,)``: 1 asks for it, if the split has the opposite order.
        """
        known = (pairs[:, None, ::-1] == np.array(COLOR_PAIRS[self.split])).all(-1).any(-1)
        return known & (wanted == 1)


def pick(u: Any, n: int) -> np.ndarray:
    """Integers 0 … n-1 from uniform numbers in [0, 1), in their shape."""
    return np.minimum((np.asarray(u) * n).astype(np.int64), n - 1)
