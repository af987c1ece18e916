"""The statistics behind the model of chrony: a weighted line, and how much of the past it suits.

What is computed, not how chrony writes it: weighted least squares, the runs test of Wald and
Wolfowitz (1940), quantiles of Student's t. See `chrony.py` for what the model is and is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

FEWEST = 3
"""Samples below which there is no line."""
RUNS_LEVEL = 0.0493
"""Of the runs test, nominally 5 %: the exact tail with which chrony's critical values agree."""
DEVIANT = {54: 21}
"""The one count at which chrony's critical value (one below the exact one) is not of that level."""
FEWEST_TESTED = 8
"""Residuals below which the runs test rejects nothing."""
CONFIDENCE = 0.9995
MOST_DEGREES = 40
LIMIT_COEFFICIENT = 3.5
"""Used for more degrees of freedom than `MOST_DEGREES`."""
DETERMINATE = 1e-10
"""Smallest share of a slope's own variation that must be left, for it to be worth stating."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through the newest samples.

    Attributes:
        start: index of the first sample it is fitted to.
        offset_s: at the time 0, which is that of the newest sample.
        frequency: its slope.
        offset_sd_s, frequency_sd: their standard deviations.
        sd_s: that of the samples, as weighted.
        skew: half of the slope's confidence interval.
    """

    start: int
    offset_s: float
    frequency: float
    offset_sd_s: float
    frequency_sd: float
    sd_s: float
    skew: float


@dataclass(frozen=True, slots=True)
class _Fit:
    offset_s: float
    slope: float
    centre_s: float
    weight: float
    spread: float

    def residuals(self, times_s: Vector, offsets_s: Vector) -> Vector:
        return offsets_s - self.offset_s - self.slope * times_s


def best_line(
    times_s: Vector, offsets_s: Vector, variances: Vector, *, older: int, fewest: int
) -> Line | None:
    """Fit a line to as much of the past as the runs test lets stand.

    The oldest samples go, one at a time, until the signs of the residuals change often enough for
    a line. The test also looks at samples from before those fitted, as many again.

    Args:
        times_s: of all samples, ascending, the last is 0.
        offsets_s: of all samples.
        variances: relative ones, of all but the first `older` samples.
        older: how many samples are only there for the runs test.
        fewest: the test drops no sample when so many are left.

    Returns:
        None with fewer than `FEWEST` samples to fit.
    """
    count = len(variances)
    if count < FEWEST:
        return None
    for start in range(count - FEWEST + 1):
        first = older + start
        weights = 1 / variances[start:]
        fit = _fit(times_s[first:], offsets_s[first:], weights)
        left = count - start
        tested = max(first - left, 0)
        residuals = fit.residuals(times_s[tested:], offsets_s[tested:])
        if left <= max(fewest, FEWEST) or runs(residuals) > critical_runs(len(residuals)):
            break
    return _line(fit, start, residuals[first - tested :], weights)


def _fit(times_s: Vector, offsets_s: Vector, weights: Vector) -> _Fit:
    weight = float(weights.sum())
    centre_s = float(weights @ times_s) / weight
    from_centre_s = times_s - centre_s
    weighted = weights * from_centre_s
    spread = float(weighted @ from_centre_s)
    slope = float(weighted @ offsets_s) / spread
    offset_s = float(weights @ offsets_s) / weight - slope * centre_s
    return _Fit(offset_s, slope, centre_s, weight, spread)


def _line(fit: _Fit, start: int, residuals: Vector, weights: Vector) -> Line:
    degrees = len(weights) - 2
    variance = float(weights @ residuals**2) / degrees
    slope_sd = math.sqrt(variance / fit.spread)
    return Line(
        start=start,
        offset_s=fit.offset_s,
        frequency=fit.slope,
        offset_sd_s=math.hypot(math.sqrt(variance / fit.weight), fit.centre_s * slope_sd),
        frequency_sd=slope_sd,
        sd_s=math.sqrt(variance * len(weights) / fit.weight),
        skew=slope_sd * confidence_coefficient(degrees),
    )


def runs(residuals: Vector) -> int:
    """Stretches of one sign; a zero is a stretch of its own."""
    return 1 + int(np.count_nonzero(residuals[1:] * residuals[:-1] <= 0))


@cache
def critical_runs(count: int) -> int:
    """So many runs among `count` residuals, or fewer, are too few for chance.

    With independent signs, runs - 1 is binomial with count - 1 trials of one half.
    """
    if count < FEWEST_TESTED:
        return 0
    if count in DEVIANT:
        return DEVIANT[count]
    tail, number = 0.0, 0
    while tail <= RUNS_LEVEL:
        tail += math.comb(count - 1, number) / 2 ** (count - 1)
        number += 1
    return number


@cache
def confidence_coefficient(degrees: int) -> float:
    """The 99.95 % quantile of Student's t; a constant beyond `MOST_DEGREES`."""
    if degrees > MOST_DEGREES:
        return LIMIT_COEFFICIENT
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student(middle, degrees) < CONFIDENCE else (low, middle)
    return low


def _student(value: float, degrees: int) -> float:
    """Distribution function of Student's t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(value / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(odd, degrees - 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (power + 1) / (power + 2)
    inside = math.sin(angle) * total
    return (1 + ((angle + inside) * 2 / math.pi if odd else inside)) / 2


def delay_slope(times_s: Vector, offsets_s: Vector, delays_s: Vector) -> float | None:
    """How much of a change of delay goes into the offset, beside a line in time (no weights).

    Returns:
        None where the samples cannot tell.
    """
    if len(times_s) < FEWEST + 1:
        return None
    times, offsets, delays = (each - each.mean() for each in (times_s, offsets_s, delays_s))
    tt, td, dd = float(times @ times), float(times @ delays), float(delays @ delays)
    determinant = tt * dd - td * td
    if determinant <= DETERMINATE * tt * float(delays_s @ delays_s):
        return None
    return float(tt * (delays @ offsets) - td * (times @ offsets)) / determinant
