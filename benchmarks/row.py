"""Rows of the comparison, with measured values and thresholds."""

from dataclasses import dataclass, replace

from measure import Rate, cpu, ratios, spread, wall


@dataclass(frozen=True)
class Row:
    """One row of the comparison.

    Attributes:
        what: Measured quantity.
        measured: The result.
        threshold: Acceptance threshold, empty without one.
        reached: Whether the result reaches the threshold, ``None`` without one.
        cpu: The same result by CPU time, where that is meaningful.
    """

    what: str
    measured: str
    threshold: str = ""
    reached: bool | None = None
    cpu: str = ""

    def cells(self) -> tuple[str, ...]:
        """The cells of the table."""
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        return self.what, self.measured, self.cpu, self.threshold, reached


def at_least(what: str, ours: list[Rate], base: list[Rate], bound: float | None) -> Row:
    """Row of a ratio of rates, with a lower bound if there is one."""
    ratio, by_cpu = ratios(wall(ours), wall(base)), ratios(cpu(ours), cpu(base)).median
    digits = ".2f" if ratio.median < 2 else ".1f"
    row = Row(what, f"{ratio:{digits}}", cpu=f"{by_cpu:{digits}}")
    return row if bound is None else replace(row, threshold=f"≥ {bound:g}", reached=ratio.median >= bound)


def at_most(
    what: str, values: list[float], bound: float, unit: str, spec: str, by_cpu: list[float] | None = None
) -> Row:
    """Row of a quantity whose median should not exceed a bound."""
    value = spread(values)
    shown = f"{spread(by_cpu).median:{spec}} {unit}" if by_cpu else ""
    return Row(what, f"{value:{spec}} {unit}", f"≤ {bound:g} {unit}", value.median <= bound, shown)


def extra_time(what: str, base: list[Rate], rates: list[Rate], bound: float | None) -> Row:
    """Row of the additional time of one candidate relative to another [%]."""
    more, by_cpu = (
        spread([100 * (one / other - 1) for one, other in zip(clock(base), clock(rates), strict=True)])
        for clock in (wall, cpu)
    )
    row = Row(what, f"{more:.0f} %", cpu=f"{by_cpu.median:.0f} %")
    return row if bound is None else replace(row, threshold=f"≤ {bound:g} %", reached=more.median <= bound)
