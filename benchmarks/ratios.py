"""Medians and ratios of measurements that were taken in turn, in rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Spread:
    low: float  # first quartile
    middle: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Return the median of *values* between its quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(low, median(values), high)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Compare round by round: what the machine did to one, it did to the other."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])
