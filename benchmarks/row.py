"""A line of the comparison: what was measured, and whether it reaches a bar."""

from dataclasses import dataclass, replace

from measure import Rate, cpu, ratios, spread, wall


@dataclass(frozen=True)
class Row:
    """One line of the comparison.

    Attributes:
        what: What was measured.
        measured: The result.
        bar: What is asked, empty for what is only shown.
        reached: Whether the result reaches the bar, ``None`` without one.
        cpu: The same result by processor time, where that says something.
    """

    what: str
    measured: str
    bar: str = ""
    reached: bool | None = None
    cpu: str = ""

    def cells(self) -> tuple[str, ...]:
        """The cells of the table."""
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        return self.what, self.measured, self.cpu, self.bar, reached


def at_least(what: str, ours: list[Rate], base: list[Rate], bound: float | None) -> Row:
    """A ratio of rates that should reach a bound, if there is one."""
    ratio, by_cpu = ratios(wall(ours), wall(base)), ratios(cpu(ours), cpu(base)).median
    digits = ".2f" if ratio.median < 2 else ".1f"
    row = Row(what, f"{ratio:{digits}}", cpu=f"{by_cpu:{digits}}")
    return row if bound is None else replace(row, bar=f"≥ {bound:g}", reached=ratio.median >= bound)


def at_most(
    what: str, values: list[float], bound: float, unit: str, spec: str, by_cpu: list[float] | None = None
) -> Row:
    """A quantity whose median should not exceed a bound."""
    value = spread(values)
    told = f"{spread(by_cpu).median:{spec}} {unit}" if by_cpu else ""
    return Row(what, f"{value:{spec}} {unit}", f"≤ {bound:g} {unit}", value.median <= bound, told)


def extra_time(what: str, base: list[Rate], rates: list[Rate], bound: float | None) -> Row:
    """How much more time one candidate takes than another [%]."""
    more, by_cpu = (
        spread([100 * (one / other - 1) for one, other in zip(clock(base), clock(rates), strict=True)])
        for clock in (wall, cpu)
    )
    row = Row(what, f"{more:.0f} %", cpu=f"{by_cpu.median:.0f} %")
    return row if bound is None else replace(row, bar=f"≤ {bound:g} %", reached=more.median <= bound)
