"""How wrong estimates were, as ``score.py`` beside the recorded worlds counts it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from estimates import Estimates
from numpy.typing import NDArray
from worlds import World

Vector = NDArray[np.float64]
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One world.

    Attributes:
        rms_s: root mean square error.
        sd_s: standard deviation of the error.
        error_s: the one that counts: the latter where routes are asymmetric.
        to_chrony: ratio of it to chrony's on the same measurements; NaN where unknown.
        to_disciplined: the same to a clock that chrony steers.
        coverage: share of errors inside the 95 % interval.
        sigma_to_rms: mean standard uncertainty over rms error.
        violations: errors outside the hard bound.
        checks: how many were checked.
    """

    rms_s: float
    sd_s: float
    error_s: float
    to_chrony: float
    to_disciplined: float
    coverage: float
    sigma_to_rms: float
    violations: int
    checks: int


def score(world: World, estimates: Estimates) -> Score:
    """Compare estimates with the truth, and with chrony's.

    Raises:
        ValueError: after the warm-up one is missing. A mean over those that are there would say
            that who is silent where it is difficult is good.
    """
    truth, counts = world.truth, world.truth.counts
    every = estimates.offset_s - truth.offset_s
    errors, sigma = every[counts], estimates.sigma_s[counts]
    missing = truth.time_s[counts][np.isnan(errors)]
    if missing.size or not errors.size:
        when = f"{missing.size} times, first at {missing[0]:g} s" if missing.size else "at all"
        raise ValueError(f"{world.name}: no estimate after the warm-up {when}")
    error_s = spread(world, every)
    bounded = ~np.isnan(estimates.bound_s) & ~np.isnan(every)
    return Score(
        rms_s=rms(errors),
        sd_s=float(np.std(errors)),
        error_s=error_s,
        to_chrony=error_s / spread(world, truth.chrony_s - truth.offset_s),
        to_disciplined=rms(errors) / rms(truth.disciplined_s[counts]),
        coverage=float(np.mean(np.abs(errors) <= NORMAL_95 * sigma)),
        sigma_to_rms=float(np.mean(sigma)) / rms(errors),
        violations=int(np.sum(np.abs(every[bounded]) > estimates.bound_s[bounded])),
        checks=int(np.sum(bounded)),
    )


def spread(world: World, errors_s: Vector) -> float:
    """The error that counts in a world, after the warm-up, in s."""
    late = errors_s[world.truth.counts]
    return float(np.std(late)) if world.asymmetric else rms(late)


def rms(values: Vector) -> float:
    """Root mean square; NaN where any is."""
    return float(np.sqrt(np.mean(values**2)))


def geometric_mean(ratios: Iterable[float]) -> float:
    """Geometric mean of what is known; NaN of nothing."""
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else math.nan
